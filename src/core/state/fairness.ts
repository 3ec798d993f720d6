// Shares between tenants. What a tenant has had is device time over its weight: the compute of its items, and the loads that
// its waiting items cause. Two things follow, both inside one class (ordering.ts):
//
//   in a queue     between items of one priority the tenant that has had least comes first
//   across models  the items of a tenant that is ahead of the one that has had least weigh less (`weightOf`)
//
// A tenant that comes back starts at what the least served of those with work have had: idling saves nothing up. (Virtual
// token counters: Sheng et al., OSDI 2024; loads charged to who causes them: docs/policy.md.) Where no item names a
// tenant, none of this costs anything.
import { runMs } from '../model.ts'
import type { LevelHead, TenantShare } from '../work/queue-head.ts'
import type { ModelState, State, TenantState } from './state.ts'

/** The queue of a model changes: tenants come and go. For apply.ts alone. */
export function recordTenants(state: State, before: readonly LevelHead[], after: readonly LevelHead[]): void {
  if (state.tenants.size === 0 && after.every(({ tenant }) => tenant === null)) return
  for (const { tenant, count } of after) addReady(state, tenant, count)
  for (const { tenant, count } of before) addReady(state, tenant, -count)
}

function addReady(state: State, name: string | null, count: number): void {
  const id = name ?? ''
  let tenant = state.tenants.get(id)
  if (!tenant) {
    tenant = { id, weight: state.policy.tenants[id] ?? 1, servedMs: 0, readyCount: 0 }
    state.tenants.set(id, tenant)
  }
  if (tenant.readyCount <= 0 && count > 0) tenant.servedMs = Math.max(tenant.servedMs, leastServedMs(state))
  tenant.readyCount += count
}

/** What the least served of the tenants with work have had, ms; 0: none has work. */
export function leastServedMs({ tenants }: State): number {
  let leastMs = Number.POSITIVE_INFINITY
  for (const { readyCount, servedMs } of tenants.values())
    if (readyCount > 0 && servedMs < leastMs) leastMs = servedMs
  return Number.isFinite(leastMs) ? leastMs : 0
}

/** A batch's compute, to the tenants of its items. For apply.ts alone. */
export function chargeBatch(
  { tenants }: State,
  { model }: ModelState,
  itemCount: number,
  countByTenant: Readonly<Record<string, number>>,
): void {
  const itemMs = runMs(model, itemCount) / itemCount
  for (const [id, count] of Object.entries(countByTenant)) charge(tenants.get(id), count * itemMs)
}

/** A load, to the tenants whose items wait for it. For apply.ts alone. */
export function chargeLoad({ tenants }: State, { levels, readyCount, loadMs }: ModelState): void {
  if (tenants.size === 0) return
  for (const { tenant, count } of levels) charge(tenants.get(tenant ?? ''), (loadMs * count) / readyCount)
}

function charge(tenant: TenantState | undefined, ms: number): void {
  if (tenant) tenant.servedMs += ms / tenant.weight
}

/** How much an item of the tenant weighs across models, above 0 to 1: half for each `fairnessHorizon` that it is ahead. */
export function weightOf(state: State, name: string | null, leastMs: number): number {
  const tenant = state.tenants.get(name ?? '')
  if (!tenant) return 1
  return 2 ** (-Math.max(0, tenant.servedMs - leastMs) / state.policy.fairnessHorizon)
}

/** For a claim of a model's items. */
export function sharesOf({ tenants }: State, { model }: ModelState): TenantShare[] {
  if (tenants.size === 0) return []
  const itemMs = runMs(model, model.batch.max) / model.batch.max
  return [...tenants.values()].map(({ id, servedMs, weight }) => ({
    tenant: id,
    servedMs,
    itemMs: itemMs / weight,
  }))
}
