// ModelStateManager, test by test a line of the origin.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineModel, ModelStateManager, ModelType } from '../../src/index.ts'

test('`current_model: None, loaded_at: None, load_counts: [0; 5], last_load_times: [None; 5]`', () => {
  const state = new ModelStateManager()
  assert.deepEqual([state.currentModel, state.loadedAt(), state.residentModels], [null, null, []])
  for (const model of Object.values(ModelType)) {
    assert.deepEqual(
      [state.loadCount(model), state.lastLoadTime(model), state.isResident(model)],
      [0, null, false],
    )
  }
})

test('`self.current_model = Some(model); self.loaded_at = Some(Instant::now()); self.load_counts[…] += 1; self.last_load_times[…] = Some(load_time)`', () => {
  const state = new ModelStateManager({ clock: () => 7000 })
  state.markLoaded('Whisper', 4200)
  assert.deepEqual([state.currentModel, state.loadedAt()], ['Whisper', 7000])
  assert.deepEqual([state.loadCount('Whisper'), state.lastLoadTime('Whisper')], [1, 4200])
  state.markLoaded('Whisper', 4400)
  assert.deepEqual([state.loadCount('Whisper'), state.lastLoadTime('Whisper')], [2, 4400])
  assert.ok(new ModelStateManager().loadedAt() === null)
})

test('`pub fn mark_unloaded(&mut self) { self.current_model = None; self.loaded_at = None; }`', () => {
  const state = new ModelStateManager()
  state.markUnloaded()
  state.markLoaded('CLAP', 4000)
  state.markUnloaded()
  assert.deepEqual([state.currentModel, state.loadedAt()], [null, null])
  assert.equal(state.loadCount('CLAP'), 1)
})

test('`ModelType::Whisper => Duration::from_secs(5), VideoMAE 8, CLAP 4, Qwen3 10, DINOv3 6`', () => {
  const state = new ModelStateManager()
  const estimates = Object.values(ModelType).map((model) => state.estimatedLoadTime(model))
  assert.deepEqual(estimates, [5000, 8000, 4000, 10_000, 6000])
})

test('`self.last_load_times[model as usize].unwrap_or_else(|| { // Default estimates`', () => {
  const state = new ModelStateManager()
  state.markLoaded('Qwen3', 3000)
  assert.equal(state.estimatedLoadTime('Qwen3'), 3000)
  assert.equal(state.estimatedLoadTime('CLAP'), 4000)
})

test('`self.current_model != Some(target)`', () => {
  const state = new ModelStateManager()
  assert.equal(state.needsSwitch('CLAP'), true)
  state.markLoaded('CLAP', 4000)
  assert.deepEqual([state.needsSwitch('CLAP'), state.needsSwitch('Qwen3')], [false, true])
  state.markUnloaded()
  assert.equal(state.needsSwitch('CLAP'), true)
})

test('better: several models are loaded at once; the current one is the last that was loaded or used', () => {
  let nowMs = 0
  const state = new ModelStateManager({ clock: () => nowMs })
  for (const model of ['Whisper', 'CLAP', 'DINOv3']) {
    nowMs += 1000
    state.markLoaded(model)
  }
  assert.deepEqual(state.residentModels, ['DINOv3', 'CLAP', 'Whisper'])
  state.markUsed('Whisper')
  assert.deepEqual(state.residentModels, ['Whisper', 'DINOv3', 'CLAP'])
  assert.deepEqual([state.needsSwitch('CLAP'), state.isResident('CLAP')], [true, true], 'but it is loaded')
  assert.deepEqual([state.loadedAt(), state.loadedAt('DINOv3'), state.loadedAt('Qwen3')], [1000, 3000, null])
  state.markUnloaded('DINOv3')
  state.markUnloaded()
  assert.deepEqual(state.residentModels, ['CLAP'])
})

test('better: one slow load moves the estimate a little; a load that was not measured not at all', () => {
  const state = new ModelStateManager()
  state.markLoaded('CLAP', 4000)
  state.markLoaded('CLAP', 14_000)
  state.markLoaded('CLAP')
  assert.equal(state.estimatedLoadTime('CLAP'), 6000)
  assert.deepEqual([state.lastLoadTime('CLAP'), state.loadCount('CLAP')], [14_000, 3])
})

test('better: models of any name; what is wrong is said with what to do', () => {
  const state = new ModelStateManager({ models: [defineModel({ id: 'sdxl', vram: '7GB', loadMs: 9000 })] })
  assert.equal(state.estimatedLoadTime('sdxl'), 9000)
  const unknown = { code: 'UNKNOWN_MODEL', message: /"Whisper".*Models: sdxl/ }
  for (const call of ['markLoaded', 'markUnloaded', 'markUsed', 'loadedAt', 'needsSwitch'] as const)
    assert.throws(() => state[call]('Whisper'), unknown, call)
  for (const call of ['loadCount', 'lastLoadTime', 'estimatedLoadTime', 'isResident'] as const)
    assert.throws(() => state[call]('Whisper'), unknown, call)
  assert.throws(() => state.markLoaded('sdxl', -1), { code: 'BAD_VALUE', message: /took -1.*milliseconds/ })
  assert.throws(() => state.markUsed('sdxl'), { code: 'BAD_VALUE', message: /not loaded.*markLoaded/ })
})
