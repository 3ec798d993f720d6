// VramConfig and ModelType, test by test a line of the origin.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineModel, ModelType, mediaModels, VramConfig } from '../../src/index.ts'

test('`pub enum ModelType { Whisper = 0, // 4.5 GB VideoMAE, // 5.0 GB CLAP, // 2.0 GB Qwen3, // 1.5 GB DINOv3, // 1.0 GB }`', () => {
  const vram = new VramConfig()
  const gigabytes = Object.values(ModelType).map((model) => [model, vram.modelVram(model) / 1e9])
  assert.deepEqual(gigabytes, [
    ['Whisper', 4.5],
    ['VideoMAE', 5],
    ['CLAP', 2],
    ['Qwen3', 1.5],
    ['DINOv3', 1],
  ])
  assert.deepEqual(
    mediaModels.map(({ id }) => id),
    Object.keys(ModelType),
  )
})

test('`impl Default for VramConfig { total_vram_gb: 16.0, safety_factor: 0.9, … }`', () => {
  const { totalBytes, safetyFactor, models } = new VramConfig()
  assert.deepEqual([totalBytes, safetyFactor], [16e9, 0.9])
  assert.equal(models, mediaModels)
})

test('`pub fn usable_vram_gb(&self) -> f64 { self.total_vram_gb * self.safety_factor }`', () => {
  assert.equal(new VramConfig().usableGb, 14.4)
  assert.equal(new VramConfig().usableBytes, 14.4e9)
  assert.equal(new VramConfig({ totalGb: 24, safetyFactor: 0.5 }).usableGb, 12)
  assert.equal(new VramConfig({ total: '8GiB', safetyFactor: 1 }).usableBytes, 8 * 2 ** 30)
})

test('`ModelType::Whisper => self.whisper_vram_gb`: each size can be set, and models can be added', () => {
  const vram = new VramConfig({ totalGb: 8, sizes: { Whisper: '6GB', sdxl: '6.5GB' } })
  assert.equal(vram.modelVram(ModelType.Whisper), 6e9)
  assert.equal(vram.modelVram('sdxl'), 6.5e9)
  assert.equal(vram.modelVram('CLAP'), 2e9)
  assert.equal(vram.models.length, 6)
  assert.equal(mediaModels[0]!.vramBytes, 4.5e9, 'what others use has not changed')
})

test('`pub fn can_fit(&self, model: ModelType) -> bool { self.model_vram(model) <= self.usable_vram_gb() }`', () => {
  const fits = (totalGb: number, model: string) =>
    new VramConfig({ totalGb, safetyFactor: 0.9 }).canFit(model)
  assert.equal(fits(5, 'Whisper'), true, '4.5 of 4.5 GB')
  assert.equal(fits(4.99, 'Whisper'), false)
  assert.ok(Object.keys(ModelType).every((model) => fits(16, model)))
})

test('better: the first item of a batch is counted too, and a model is taken as it is', () => {
  const model = defineModel({ id: 'sdxl', vram: '6GB', batch: { activation: '1GB' } })
  assert.equal(new VramConfig({ total: '6.9GB', safetyFactor: 1 }).canFit(model), false)
  assert.equal(new VramConfig({ total: '7GB', safetyFactor: 1 }).canFit(model), true)
  const unsized = defineModel({ id: 'new' })
  assert.equal(new VramConfig().modelVram(unsized), 14.4e9, 'it is loaded alone, with all that there is')
})

test('better: what is wrong is said with what to write instead', () => {
  const cases: [() => unknown, string, RegExp][] = [
    [() => new VramConfig({ totalGb: 0 }), 'BAD_VALUE', /0 bytes.*totalGb: 16/],
    [() => new VramConfig({ totalGb: Number.NaN }), 'BAD_VALUE', /totalGb: 16/],
    [() => new VramConfig({ total: 16 }), 'BAD_VALUE', /16 bytes holds no model.*'16GB'/],
    [() => new VramConfig({ total: '16 gigs' }), 'BAD_VALUE', /size such as 4.5GB/],
    [() => new VramConfig({ totalGb: 16, total: '16GB' }), 'BAD_VALUE', /give one/],
    [() => new VramConfig({ totalGB: 16 } as object), 'BAD_VALUE', /no option totalGB.*totalGb/],
    [() => new VramConfig({ safetyFactor: 90 }), 'BAD_VALUE', /safetyFactor is 90.*at most 1/],
    [() => new VramConfig().modelVram('whisper'), 'UNKNOWN_MODEL', /"whisper".*Whisper, VideoMAE/],
    [() => new VramConfig().canFit('sdxl'), 'UNKNOWN_MODEL', /Models: Whisper/],
    [
      () => new VramConfig({ totalGb: 4 }).assertFits('Whisper'),
      'NEVER_FITS',
      /4.5 GB.*3.6 GB \(4 GB × 0.9\)/,
    ],
  ]
  for (const [call, code, message] of cases) assert.throws(call, { code, message })
})
