// A file of the first version, as that version wrote it (two of three items leased, one of them done since), is brought up
// to date when it is opened: nothing is lost, and its lease goes on.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { openSqliteReader, openSqliteStore } from '../src/stores/sqlite.ts'
import { allItems } from '../src/stores/store.ts'

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-version-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const firstVersion = `
PRAGMA application_id = 0x504c494d; PRAGMA user_version = 1; PRAGMA journal_mode = WAL;
CREATE TABLE item (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, model TEXT NOT NULL, priority INTEGER NOT NULL,
  state INTEGER NOT NULL, attempt INTEGER NOT NULL, max_attempts INTEGER NOT NULL, open INTEGER NOT NULL,
  submitted_at INTEGER NOT NULL, ready_at INTEGER, turn INTEGER, started_at INTEGER, ended_at INTEGER, token TEXT,
  until INTEGER, timeout INTEGER, deadline_at INTEGER, maker INTEGER, is_expanded INTEGER NOT NULL DEFAULT 0, step TEXT,
  source_id TEXT, source TEXT, input TEXT, output TEXT, error TEXT) STRICT;
CREATE INDEX item_ready ON item (model, priority, turn) WHERE state = 2;
CREATE INDEX item_leased ON item (token) WHERE state = 3;
CREATE INDEX item_due ON item (until) WHERE state = 1;
CREATE INDEX item_maker ON item (maker) WHERE maker IS NOT NULL;
CREATE TABLE edge (parent INTEGER NOT NULL, child INTEGER NOT NULL, place INTEGER NOT NULL, policy INTEGER NOT NULL,
  PRIMARY KEY (parent, child)) STRICT, WITHOUT ROWID;
CREATE INDEX edge_child ON edge (child, place);
CREATE TABLE event (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, at INTEGER NOT NULL, state INTEGER NOT NULL,
  items TEXT NOT NULL) STRICT;
CREATE TABLE opening (number INTEGER PRIMARY KEY) STRICT;
INSERT INTO opening VALUES (1);
INSERT INTO item (seq, id, model, priority, state, attempt, max_attempts, open, submitted_at, ready_at, turn, started_at,
  ended_at, token, until, output) VALUES
  (1, 'a', 'm', 0, 4, 1, 3, 0, 1, 1, 1, 5, 7, NULL, NULL, '{"n":1}'),
  (2, 'b', 'm', 0, 3, 1, 3, 0, 1, 1, 2, 5, NULL, '1.1', 105, NULL),
  (3, 'c', 'm', 0, 0, 0, 3, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO edge VALUES (1, 3, 0, 0), (2, 3, 1, 0);
INSERT INTO event VALUES (1, 3, 1, 0, '[[1,0],[2,0],[3,0]]'), (4, 5, 1, 2, '[[1,0],[2,0]]'), (6, 7, 5, 3, '[[1,1],[2,1]]'),
  (8, 8, 7, 4, '[[1,1]]');
`

test('a file of the first version is brought up to date, with its items, events and leases', async () => {
  const file = join(folder, 'old.db')
  const old = new DatabaseSync(file)
  old.exec(firstVersion)
  old.close()
  await assert.rejects(openSqliteReader(file), { code: 'STORE_FAILED', message: /older version 1.*next/ })
  const store = await openSqliteStore({ file })
  const view = (await allItems(store)).map(({ id, state, attempt, startedAtMs }) => [
    id,
    state,
    attempt,
    startedAtMs,
  ])
  assert.deepEqual(view, [
    ['a', 'done', 1, 5],
    ['b', 'leased', 1, 5],
    ['c', 'blocked', 0, null],
  ])
  const events = (await store.events(2, 9)).map(({ sequence, atMs, itemId, state, attempt }) =>
    [sequence, atMs, itemId, state, attempt].join(' '),
  )
  assert.deepEqual(events, [
    '3 1 c blocked 0',
    '4 1 a ready 0',
    '5 1 b ready 0',
    '6 5 a leased 1',
    '7 5 b leased 1',
    '8 7 a done 1',
  ])
  assert.deepEqual((await store.finish('1.1', [{ type: 'done', id: 'b', output: 2 }], 20)).accepted, ['b'])
  assert.equal((await store.get('c'))!.state, 'ready')
  await store.close()
  await (await openSqliteStore({ file })).close()
})
