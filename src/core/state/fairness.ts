// Shares between tenants. What a tenant has had is device time divided by its weight: the compute of its
// items, and the loads that its waiting items cause. Two rules follow, both within one class (ordering.ts):
//
//   in a queue     between items of one priority, the tenant that has had least comes first
//   across models  items weigh less if their tenant is ahead of the tenant that has had least (`weightOf`)
//
// A tenant that comes back starts with what the least served tenant with work has had, so that idling saves
// nothing up. (Virtual token counters: Sheng et al., OSDI 2024. Loads charged to who causes them:
// docs/policy.md.) Where no item names a tenant, none of this costs anything.
import { runMs } from '../model.ts'
import type { LevelHead, TenantShare } from '../work/queue-head.ts'
import type { ModelState, State, TenantState } from './state.ts'

/** The queue of a model has changed: tenants come and go. For apply.ts alone. */
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

/** What the least served of the tenants with work has had, ms; 0: no tenant has work. */
export function leastServedMs({ tenants }: State): number {
  let leastMs = Number.POSITIVE_INFINITY
  for (const { readyCount, servedMs } of tenants.values())
    if (readyCount > 0 && servedMs < leastMs) leastMs = servedMs
  return Number.isFinite(leastMs) ? leastMs : 0
}

/** Charges the compute of a batch to the tenants of its items. For apply.ts alone. */
export function chargeBatch(
  { tenants }: State,
  { model }: ModelState,
  itemCount: number,
  countByTenant: Readonly<Record<string, number>>,
): void {
  const itemMs = runMs(model, itemCount) / itemCount
  for (const [id, count] of Object.entries(countByTenant)) charge(tenants.get(id), count * itemMs)
}

/** Charges a load to the tenants whose items wait for it. For apply.ts alone. */
export function chargeLoad({ tenants }: State, { levels, readyCount, loadMs }: ModelState): void {
  if (tenants.size === 0) return
  for (const { tenant, count } of levels) charge(tenants.get(tenant ?? ''), (loadMs * count) / readyCount)
}

function charge(tenant: TenantState | undefined, ms: number): void {
  if (tenant) tenant.servedMs += ms / tenant.weight
}

/** How much an item of the tenant weighs across models, above 0 to 1: half as much for each `fairnessHorizon`
 * that the tenant is ahead. */
export function weightOf(state: State, name: string | null, leastMs: number): number {
  const tenant = state.tenants.get(name ?? '')
  if (!tenant) return 1
  return 2 ** (-Math.max(0, tenant.servedMs - leastMs) / state.policy.fairnessHorizon)
}

/** What each tenant has had, for a claim of a model's items. */
export function sharesOf({ tenants }: State, { model }: ModelState): TenantShare[] {
  if (tenants.size === 0) return []
  const itemMs = runMs(model, model.batch.max) / model.batch.max
  return [...tenants.values()].map(({ id, servedMs, weight }) => ({
    tenant: id,
    servedMs,
    itemMs: itemMs / weight,
  }))
}
