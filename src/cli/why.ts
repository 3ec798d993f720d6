// `plimsoll why ITEM`: why an item waits, from the store (its dependencies) and from the run's record, played back through
// the same code that decides. Works beside a run and after one.

import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { type WaitingItem, whyWaiting } from '../core/explain.ts'
import { hasEnded } from '../core/work-item.ts'
import { readRecord } from '../daemon/record.ts'
import { replay } from '../daemon/replay.ts'
import type { StoredItem } from '../stores/store.ts'
import { findItem } from './items.ts'
import { databaseCommand, print, printJson, type Reader, readDatabase } from './output.ts'

export function whyCommand(): Command {
  return databaseCommand('why', 'say why an item waits')
    .argument('<item>', 'id, or the beginning of one')
    .action(async (id: string, { db, json }: { db?: string; json?: boolean }) => {
      const { item, reasons } = await readDatabase(db, async (store, { record }) => {
        const found = await findItem(store, id)
        return { item: found, reasons: await explain(store, found, record) }
      })
      if (json) return printJson({ id: item.id, state: item.state, reasons })
      print(`${item.id} is ${item.state}.`)
      for (const reason of reasons) print(`- ${reason}`)
    })
}

async function explain(store: Reader, item: StoredItem, record: string): Promise<string[]> {
  if (item.error && hasEnded(item.state)) return [item.error.message]
  const parents = await Promise.all(item.dependencies.map((dependency) => store.get(dependency.id)))
  const openDependencies = parents
    .filter((parent) => parent !== null && !hasEnded(parent.state))
    .map((parent) => ({ id: parent!.id, modelId: parent!.modelId, state: parent!.state }))
  const waiting: WaitingItem = { ...item, openDependencies }
  const last = existsSync(record) ? replay(readRecord(record)) : null
  if (!last) return ['No run of this database is recorded; `plimsoll run PIPELINE` runs it.']
  return whyWaiting(last.state, waiting, Math.max(last.lastAtMs, item.readyAtMs ?? 0))
}
