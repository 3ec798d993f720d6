// VramSemaphore, test by test a line of the origin.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VramConfig, VramSemaphore } from '../../src/index.ts'

test('`let vram = VramSemaphore::new(16.0, 10); // 160 units total`: bytes, so that no units are needed', () => {
  assert.equal(new VramSemaphore('16GB').totalBytes, 16e9)
  assert.equal(new VramSemaphore(new VramConfig()).totalBytes, 14.4e9, 'what a VramConfig lets promise')
})

test('`let _permit = vram.acquire(4.5).await?; // 45 units … permit released on drop`', async () => {
  const vram = new VramSemaphore('16GB')
  {
    using permit = await vram.acquire('4.5GB')
    assert.equal(permit.bytes, 4.5e9)
    assert.equal(vram.availableBytes, 11.5e9)
  }
  assert.equal(vram.availableBytes, 16e9)
})

test('`self.semaphore.acquire_many(units).await`: who finds no room waits for its turn', async () => {
  const vram = new VramSemaphore('16GB')
  const first = await vram.acquire('9GB')
  const order: string[] = []
  const second = vram.acquire('9GB').then((permit) => {
    order.push('second')
    permit.release()
  })
  const third = vram.acquire('1GB').then(() => order.push('third'))
  assert.equal(vram.waitingCount, 2)
  first.release()
  await Promise.all([second, third])
  assert.deepEqual(order, ['second', 'third'], 'small requests do not overtake')
})

test('`.map_err(|_| Error::VramAcquisition)`: what can never be had is refused at once, with what to do', async () => {
  const vram = new VramSemaphore('16GB')
  await assert.rejects(vram.acquire('17GB'), {
    code: 'NEVER_FITS',
    message: /17 GB.*16 GB in all.*Ask for less/,
  })
  assert.throws(() => vram.tryAcquire(4.5), {
    code: 'BAD_VALUE',
    message: /4.5 are 5 bytes of 16 GB.*'4.5GB'/,
  })
  assert.throws(() => vram.tryAcquire(4), { code: 'BAD_VALUE', message: /'4GB'/ })
  await assert.rejects(vram.acquire('4,5GB'), { code: 'BAD_VALUE', message: /size such as 4.5GB/ })
  assert.equal(vram.tryAcquire(0)?.bytes, 0)
  assert.equal(vram.availableBytes, 16e9)
})

test('better: whoever waits can give up, and does not stand in the way', async () => {
  const vram = new VramSemaphore('16GB')
  const held = await vram.acquire('16GB')
  const giveUp = new AbortController()
  const waiting = vram.acquire('1GB', { signal: giveUp.signal })
  giveUp.abort()
  await assert.rejects(waiting, { code: 'ABORTED' })
  assert.equal(vram.waitingCount, 0)
  held.release()
  held.release()
  assert.equal(vram.availableBytes, 16e9, 'given back once')
})
