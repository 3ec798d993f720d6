// Files of earlier versions, as those versions wrote them, are brought up to date when they are opened:
// nothing is lost, and their leases go on.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { newItem } from '../../src/core/work/item.ts'
import { plainOrder } from '../../src/core/work/queue-head.ts'
import { openSqliteReader, openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { allItems, type Resolver } from '../../src/stores/store.ts'
import { temporaryFolder } from '../support/folder.ts'

const folder = temporaryFolder('version')

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

/** A fan-out with one part done and one leased, what waits for it, one to be tried again at 500, and one that
 * failed. */
const thirdVersion = `
PRAGMA application_id = 0x504c494d; PRAGMA user_version = 3; PRAGMA journal_mode = WAL;
CREATE TABLE item (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, model TEXT NOT NULL, priority INTEGER NOT NULL,
  state INTEGER NOT NULL, attempt INTEGER NOT NULL, max_attempts INTEGER NOT NULL, open INTEGER NOT NULL,
  submitted_at INTEGER NOT NULL, ready_at INTEGER, turn INTEGER, started_at INTEGER, ended_at INTEGER, until INTEGER,
  timeout INTEGER, deadline_at INTEGER, maker INTEGER, is_expanded INTEGER NOT NULL DEFAULT 0, step TEXT, source_id TEXT,
  source TEXT, input TEXT, output TEXT, error TEXT) STRICT;
CREATE INDEX item_ready ON item (model, priority, turn) WHERE state = 2;
CREATE INDEX item_due ON item (until) WHERE state = 1;
CREATE INDEX item_maker ON item (maker) WHERE maker IS NOT NULL;
CREATE TABLE claim (token TEXT PRIMARY KEY, at INTEGER NOT NULL, until INTEGER NOT NULL, items TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE edge (parent INTEGER NOT NULL, child INTEGER NOT NULL, place INTEGER NOT NULL, policy INTEGER NOT NULL,
  PRIMARY KEY (parent, child)) STRICT, WITHOUT ROWID;
CREATE INDEX edge_child ON edge (child, place);
CREATE TABLE event (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, at INTEGER NOT NULL, items TEXT NOT NULL) STRICT;
CREATE TABLE opening (number INTEGER PRIMARY KEY) STRICT;
INSERT INTO opening VALUES (1), (2);
INSERT INTO item (seq, id, model, priority, state, attempt, max_attempts, open, submitted_at, ready_at, turn, started_at,
  ended_at, until, maker, is_expanded, step, source_id, source, input, output, error) VALUES
  (1, 'list', 'm', 0, 0, 0, 3, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL, 1, 'split', 'src', '["x","y"]', NULL, NULL, NULL),
  (2, 'after', 'n', 5, 0, 0, 3, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL, 0, 'sum', 'src', NULL, NULL, NULL, NULL),
  (3, 'part-y', 'm', 0, 2, 0, 3, 0, 1, 1, 2, NULL, NULL, NULL, 1, 0, NULL, NULL, NULL, '"y"', NULL, NULL),
  (4, 'part-x', 'm', 0, 4, 1, 3, 0, 1, 1, 1, 5, 7, NULL, 1, 0, NULL, NULL, NULL, '"x"', '"X"', NULL),
  (5, 'again', 'm', 2, 1, 1, 3, 0, 2, 2, 3, 5, NULL, 500, NULL, 0, NULL, NULL, NULL, NULL, NULL, '{"code":"RUN_FAILED","message":"no"}'),
  (6, 'dead', 'm', 0, 5, 3, 3, 0, 2, 2, 4, 5, 8, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, '{"code":"RUN_FAILED","message":"never"}'),
  (7, 'waits', 'm', 0, 2, 0, 3, 0, 2, 2, 5, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO claim VALUES ('2.1', 5, 105, '[3]');
INSERT INTO edge VALUES (4, 1, 1000000, 0), (3, 1, 1000001, 0), (1, 2, 0, 1);
INSERT INTO event VALUES (1, 3, 1, '[[1,0,0],[2,0,0],[3,0,0]]'), (4, 5, 9, '[[7,2,0],[6,5,3]]');
`

const resolver: Resolver = ({ step }, parents) =>
  step === 'split'
    ? { type: 'finish', output: parents.map(({ output }) => output) }
    : { type: 'run', input: parents.map(({ output }) => output) }

test('a file of the third version is brought up to date, with its fan-out, its results and what waits for a moment', async () => {
  const file = join(folder, 'third.db')
  const old = new DatabaseSync(file)
  old.exec(thirdVersion)
  old.close()
  const store = await openSqliteStore({ file, resolver })
  const view = (await allItems(store)).map((each) => {
    const { id, modelId, priority, step, state, parentId, output, error, readyAtMs } = each
    const shown = [id, modelId, priority, step, state, parentId, output, error?.message, readyAtMs]
    return shown.map((value) => value ?? '-').join(' ')
  })
  assert.deepEqual(view, [
    'list m 0 split blocked - - - -',
    'after n 5 sum blocked - - - -',
    'part-y m 0 - leased list - - 1',
    'part-x m 0 - done list X - 1',
    'again m 2 - scheduled - - no 2',
    'dead m 0 - failed - - never 2',
    'waits m 0 - ready - - - 2',
  ])
  const { dependencies, startedAtMs, input } = (await store.get('list'))!
  assert.deepEqual([dependencies.map(({ id }) => id), startedAtMs, input], [['part-x', 'part-y'], null, null])
  assert.deepEqual((await store.get('after'))!.dependencies, [{ id: 'list', policy: 'skip' }])
  assert.deepEqual(
    (await store.events(2, 9)).map(({ sequence, atMs, itemId, state, attempt }) =>
      [sequence, atMs, itemId, state, attempt].join(' '),
    ),
    ['3 1 part-y blocked 0', '4 9 waits ready 0', '5 9 dead failed 3'],
  )
  assert.deepEqual(
    (await store.queueHeads()).map(({ modelId, readyCount, blockedCount, waitsOn }) => [
      modelId,
      readyCount,
      blockedCount,
      waitsOn,
    ]),
    [
      ['m', 1, 2, [{ modelId: 'm', count: 1 }]],
      ['n', 0, 1, [{ modelId: 'm', count: 1 }]],
    ],
  )
  await store.finish('2.1', [{ type: 'done', id: 'part-y', output: 'Y' }], 20)
  assert.deepEqual((await store.get('list'))!.output, ['X', 'Y'])
  assert.deepEqual((await store.get('after'))!.input, [['X', 'Y']])
  assert.equal((await store.sweep(500)).changedCount, 1)
  assert.deepEqual(await store.retry(['dead'], 600), { retriedCount: 1 })
  const order = { ...plainOrder, interactiveFrom: 8 }
  const { items } = await store.claim({ modelId: 'm', maxCount: 9, order, leaseMs: 100 }, 700)
  assert.deepEqual(
    items.map(({ id, attempt }) => `${id} ${attempt}`),
    ['again 2', 'waits 1', 'dead 1'],
  )
  await store.close()
})

/** One that is done, one that waits for it and for another that is leased; the clock went backwards once. */
const fourthVersion = `
PRAGMA application_id = 0x504c494d; PRAGMA user_version = 4; PRAGMA journal_mode = WAL;
CREATE TABLE kind (number INTEGER PRIMARY KEY, model TEXT NOT NULL, step TEXT, priority INTEGER NOT NULL, tenant TEXT) STRICT;
CREATE TABLE item (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, priority INTEGER NOT NULL, max_attempts INTEGER NOT NULL,
  timeout INTEGER, deadline_at INTEGER, maker INTEGER, source_id TEXT, parents TEXT, source TEXT, input TEXT) STRICT;
CREATE INDEX item_maker ON item (maker) WHERE maker IS NOT NULL;
CREATE TABLE progress (seq INTEGER PRIMARY KEY, submitted_at INTEGER NOT NULL, kind INTEGER NOT NULL, state INTEGER NOT NULL,
  attempt INTEGER NOT NULL, open INTEGER NOT NULL, turn INTEGER, ready_at INTEGER, until INTEGER, run INTEGER,
  latest_end_at INTEGER, room TEXT) STRICT;
CREATE INDEX progress_due ON progress (until) WHERE state = 1;
CREATE TABLE run (number INTEGER PRIMARY KEY, input TEXT, started_at INTEGER, ended_at INTEGER, output TEXT, error TEXT) STRICT;
CREATE TABLE edge (parent INTEGER NOT NULL, child INTEGER NOT NULL, policy INTEGER NOT NULL, PRIMARY KEY (parent, child))
  STRICT, WITHOUT ROWID;
CREATE TABLE claim (token TEXT PRIMARY KEY, at INTEGER NOT NULL, until INTEGER NOT NULL, items TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE event (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, at INTEGER NOT NULL, items TEXT NOT NULL) STRICT;
CREATE TABLE opening (number INTEGER PRIMARY KEY) STRICT;
INSERT INTO opening VALUES (1);
INSERT INTO kind VALUES (1, 'm', NULL, 0, NULL), (2, 'm', 'sum', 3, 'ann');
INSERT INTO item VALUES (1, 'a', 0, 3, NULL, NULL, NULL, 'src', NULL, NULL, '"x"'), (2, 'b', 0, 3, NULL, NULL, NULL, 'src', NULL, NULL, NULL),
  (3, 'c', 3, 3, NULL, 900, NULL, 'src', '[[1,0],[2,1]]', '{"path":"/"}', NULL);
INSERT INTO progress VALUES (1, 1, 1, 4, 1, 0, 1, 1, NULL, 1, NULL, NULL), (2, 1, 1, 2, 0, 0, 2, 1, NULL, NULL, 900, '...'),
  (3, 1, 2, 0, 0, 1, NULL, NULL, NULL, NULL, 900, '.............');
INSERT INTO run VALUES (1, NULL, 80, 85, '{"n":1}', NULL);
INSERT INTO edge VALUES (1, 3, 0), (2, 3, 1);
INSERT INTO claim VALUES ('1.2', 10, 110, '[2]');
INSERT INTO event VALUES (1, 5, 1, '[1,0,0,2,0,0,3,0,0,1,2,0,2,2,0]'), (6, 6, 80, '[1,3,1]'), (7, 7, 85, '[1,4,1]'), (8, 8, 10, '[2,3,1]');
`

test('a file of the fourth version is brought up to date: its items are of no pipeline, its latest moment is known', async () => {
  const file = join(folder, 'fourth.db')
  const old = new DatabaseSync(file)
  old.exec(fourthVersion)
  old.close()
  const store = await openSqliteStore({ file })
  const view = (await allItems(store, { pipeline: null })).map((each) => {
    const { id, step, tenant, state, attempt, effectivePriority, output } = each
    return [id, step, tenant, state, attempt, effectivePriority, JSON.stringify(output)].join(' ')
  })
  assert.deepEqual(view, ['a   done 1 0 {"n":1}', 'b   leased 1 0 null', 'c sum ann blocked 0 3 null'])
  assert.equal(await store.latestAtMs(), 85)
  await store.submit(
    [newItem({ id: 'd', modelId: 'm', step: 'sum', tenant: 'ann', priority: 3, pipeline: 'p' })],
    20,
  )
  assert.equal(await store.latestAtMs(), 85)
  await store.finish('1.2', [{ type: 'done', id: 'b', output: 2 }], 90)
  assert.equal(await store.latestAtMs(), 90)
  assert.deepEqual(
    (await store.list({ state: 'ready' })).items.map(({ id, pipeline }) => [id, pipeline]),
    [
      ['c', null],
      ['d', 'p'],
    ],
  )
  await store.close()
})
