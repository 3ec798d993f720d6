// Makes all pictures and recordings of the archive: node media/make-media.ts
// Needs Debian's flite (the voice) and fonts-dejavu; everything else is drawn and synthesised here.
// Run again, it replaces the files; what a different version of flite says may differ by some bytes.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { readRecording } from '../workers/recording.ts'
import { portrait } from './portrait.ts'

const folder = import.meta.dirname
const scratch = mkdtempSync(join(tmpdir(), 'archive-media-'))

// Pictures: each is an SVG of width x height; `shrinkTo` makes it small, as an old thumbnail is.

interface Drawing {
  width: number
  height: number
  svg: string
  shrinkTo?: number
}

interface Line {
  text: string
  size: number
  y: number
  colour?: string
  weight?: 'bold'
  x?: number
  font?: string
}

function board(width: number, height: number, colour: string, lines: Line[], decoration = ''): Drawing {
  const texts = lines.map(
    ({ text, size, y, x, colour: ink = '#111', weight = 'normal', font = 'DejaVu Sans' }) =>
      `<text x="${x ?? width / 2}" y="${y}" font-family="${font}" font-size="${size}" font-weight="${weight}" fill="${ink}" text-anchor="${x === undefined ? 'middle' : 'start'}">${text}</text>`,
  )
  return {
    width,
    height,
    svg: `<rect width="100%" height="100%" fill="${colour}"/>${decoration}${texts.join('')}`,
  }
}

function small(drawing: Drawing, shrinkTo: number): Drawing {
  return { ...drawing, shrinkTo }
}

const frame = (width: number, height: number, colour: string) =>
  `<rect x="12" y="12" width="${width - 24}" height="${height - 24}" rx="14" fill="none" stroke="${colour}" stroke-width="5"/>`

const page = [
  'The harbour was built two hundred years ago.',
  'Fishing boats leave before sunrise and come',
  'back at noon with herring and cod. In winter',
  'storms the lighthouse keeper rings a bell so',
  'that ships can find the entrance in the fog.',
]

const drawings: Record<string, Drawing> = {
  'platform-sign': board(
    640,
    320,
    '#0b3d91',
    [
      { text: 'Trains to the coast', size: 48, y: 110, colour: '#fff', weight: 'bold' },
      { text: 'depart from platform 4', size: 44, y: 200, colour: '#fff' },
    ],
    `${frame(640, 320, '#fff')}<path d="M250 260h140M370 245l25 15l-25 15" stroke="#ffd400" stroke-width="8" fill="none"/>`,
  ),
  'railway-ticket': board(
    600,
    300,
    '#f3e3b5',
    [
      { text: 'CITY RAILWAY', size: 40, y: 75, weight: 'bold', font: 'DejaVu Serif' },
      { text: 'Return ticket, one adult', size: 32, y: 150, font: 'DejaVu Serif' },
      { text: 'Price 12.50 euro', size: 32, y: 220, font: 'DejaVu Serif' },
    ],
    '<path d="M0 255H600" stroke="#a33" stroke-width="6" stroke-dasharray="14 8"/>',
  ),
  menu: board(520, 480, '#fdf6ec', [
    { text: 'Restaurant menu', size: 42, y: 80, weight: 'bold', font: 'DejaVu Serif' },
    { text: 'Tomato soup', size: 32, y: 170, font: 'DejaVu Serif' },
    { text: 'Grilled fish with rice', size: 32, y: 240, font: 'DejaVu Serif' },
    { text: 'Apple pie and coffee', size: 32, y: 310, font: 'DejaVu Serif' },
  ]),
  'library-hours': board(
    640,
    360,
    '#2e5e4e',
    [
      { text: 'Public library', size: 50, y: 100, colour: '#fff', weight: 'bold' },
      { text: 'Open Monday to Friday', size: 38, y: 190, colour: '#fff' },
      { text: 'from 9 to 18', size: 38, y: 260, colour: '#fff' },
    ],
    frame(640, 360, '#cfe8dc'),
  ),
  'harbour-page': board(
    760,
    420,
    '#fffdf7',
    page.map((text, index) => ({ text, size: 28, y: 90 + index * 62, x: 50, font: 'DejaVu Serif' })),
  ),
  'deep-water': board(
    560,
    340,
    '#ffd400',
    [
      { text: 'DANGER', size: 70, y: 125, weight: 'bold' },
      { text: 'Deep water', size: 46, y: 205 },
      { text: 'No swimming here', size: 46, y: 275 },
    ],
    frame(560, 340, '#111'),
  ),
  'concert-poster': board(
    480,
    600,
    '#401a4a',
    [
      { text: 'Concert in the park', size: 40, y: 110, colour: '#ffe9a8', weight: 'bold' },
      { text: 'Piano and violin', size: 36, y: 480, colour: '#fff' },
      { text: 'Saturday evening', size: 36, y: 545, colour: '#fff' },
    ],
    '<g fill="#ffe9a8"><ellipse cx="190" cy="370" rx="38" ry="28" transform="rotate(-20 190 370)"/><rect x="220" y="185" width="9" height="185"/><ellipse cx="320" cy="340" rx="38" ry="28" transform="rotate(-20 320 340)"/><rect x="350" y="155" width="9" height="185"/><path d="M220 185L359 155V190L220 220Z"/></g>',
  ),
  'medicine-label': board(
    520,
    280,
    '#e9f3fb',
    [
      { text: 'Take two tablets', size: 42, y: 95, weight: 'bold', colour: '#123' },
      { text: 'after every meal', size: 42, y: 160, colour: '#123' },
      { text: 'with a glass of water', size: 36, y: 225, colour: '#123' },
    ],
    '<rect width="24" height="280" fill="#c33"/>',
  ),
  'bus-stop-small': small(
    board(480, 210, '#14532d', [
      { text: 'Bus stop', size: 78, y: 95, colour: '#fff', weight: 'bold' },
      { text: 'City centre', size: 62, y: 175, colour: '#fff' },
    ]),
    56,
  ),
  'bakery-small': small(
    board(520, 240, '#fff4dc', [
      { text: 'Fresh bread', size: 76, y: 105, colour: '#5b2c06', weight: 'bold', font: 'DejaVu Serif' },
      { text: 'baked every day', size: 58, y: 190, colour: '#5b2c06', font: 'DejaVu Serif' },
    ]),
    68,
  ),
  'exit-small': small(
    board(460, 220, '#b91c1c', [
      { text: 'Fire exit', size: 84, y: 105, colour: '#fff', weight: 'bold' },
      { text: 'keep clear', size: 66, y: 185, colour: '#fff' },
    ]),
    48,
  ),
  'post-office-small': small(
    board(520, 220, '#ffcc00', [
      { text: 'Post office', size: 80, y: 100, colour: '#7a1200', weight: 'bold' },
      { text: 'Letters, parcels', size: 58, y: 180, colour: '#7a1200' },
    ]),
    66,
  ),
  spirals: { width: 480, height: 480, svg: `<rect width="480" height="480" fill="#0d1b2a"/>${spirals()}` },
  tiles: { width: 480, height: 360, svg: tiles() },
  valley: { width: 560, height: 360, svg: valley() },
  'portrait-anna': {
    width: 400,
    height: 480,
    svg: portrait({ skin: '#f0c8a8', hair: '#3a2414', shirt: '#34557a', eyes: '#4a6b3a', longHair: true }),
  },
  'portrait-ben': {
    width: 400,
    height: 480,
    svg: portrait({ skin: '#b97a56', hair: '#15100c', shirt: '#7a3434', eyes: '#3a2414', longHair: false }),
  },
}

function spirals(): string {
  return [0, 1, 2, 3, 4, 5]
    .map((arm) => {
      const points = Array.from({ length: 160 }, (_, step) => {
        const [angle, radius] = [step * 0.06 + (arm * Math.PI) / 3, step * 1.4]
        return `${(240 + radius * Math.cos(angle)).toFixed(1)},${(240 + radius * Math.sin(angle)).toFixed(1)}`
      })
      return `<polyline points="${points.join(' ')}" fill="none" stroke="hsl(${arm * 60} 80% 60%)" stroke-width="7"/>`
    })
    .join('')
}

function tiles(): string {
  const colours = ['#d62828', '#f77f00', '#fcbf49', '#eae2b7', '#003049']
  return Array.from({ length: 48 }, (_, index) => {
    const [column, row] = [index % 8, Math.floor(index / 8)]
    const colour = colours[(column * 3 + row * row) % colours.length]
    return `<rect x="${column * 60}" y="${row * 60}" width="60" height="60" fill="${colour}" stroke="#111" stroke-width="4"/>`
  }).join('')
}

function valley(): string {
  return `<defs><linearGradient id="sky" x2="0" y2="1"><stop stop-color="#7fb7e6"/><stop offset="1" stop-color="#fbe3c0"/></linearGradient></defs>
    <rect width="560" height="360" fill="url(#sky)"/><circle cx="420" cy="90" r="36" fill="#fff3b0"/>
    <path d="M0 240L110 120L200 210L310 90L430 220L560 140V360H0Z" fill="#5a7d9a"/>
    <path d="M0 290Q140 220 280 280T560 260V360H0Z" fill="#5f9455"/><path d="M0 330Q180 280 330 325T560 310V360H0Z" fill="#3f7242"/>`
}

async function draw(name: string, { width, height, svg, shrinkTo }: Drawing): Promise<void> {
  const picture = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${svg}</svg>`
  const drawn = sharp(Buffer.from(picture)).flatten({ background: 'white' })
  const sized = shrinkTo === undefined ? drawn : drawn.resize({ width: shrinkTo, kernel: 'cubic' })
  await sized.png({ compressionLevel: 9 }).toFile(join(folder, 'pictures', `${name}.png`))
}

// Recordings: 16 kHz, one channel, 16 bits; parts one after another.

const sampleRate = 16000

async function say(sentence: string): Promise<Float32Array> {
  const file = join(scratch, 'sentence.wav')
  execFileSync('flite', ['-voice', 'slt', '-t', sentence, '-o', file])
  return (await readRecording(file)).samples
}

function pause(ms: number): Float32Array {
  return new Float32Array((ms * sampleRate) / 1000)
}

/** Notes by the number of their key, each as long as `ms`: four harmonics that fade away, like a plucked
 * string. */
function play(keys: number[], ms: number): Float32Array {
  const length = (ms * sampleRate) / 1000
  const samples = new Float32Array(keys.length * length)
  for (const [index, key] of keys.entries()) {
    const frequency = 440 * 2 ** ((key - 69) / 12)
    for (let at = 0; at < length; at++) {
      const seconds = at / sampleRate
      const loudness =
        0.35 * Math.min(1, seconds / 0.01) * Math.exp(-3 * seconds) * Math.min(1, (length - at) / 320)
      for (let harmonic = 1; harmonic <= 4; harmonic++) {
        samples[index * length + at]! +=
          (loudness * Math.sin(2 * Math.PI * frequency * harmonic * seconds)) / harmonic ** 2.2
      }
    }
  }
  return samples
}

const recordings: Record<string, Float32Array[]> = {
  'station-announcement': [
    pause(300),
    await say('The train to the coast is late.'),
    pause(900),
    await say('It will leave at nine.'),
    pause(800),
    await say('Thank you for waiting.'),
    pause(400),
  ],
  'voice-mail': [
    pause(200),
    await say('Hello, this is Anna.'),
    pause(1000),
    await say('I have found the old photographs in the attic.'),
    pause(500),
  ],
  melody: [pause(200), play([60, 62, 64, 65, 67, 67, 69, 69, 67], 450), pause(300)],
  'music-lesson': [
    pause(200),
    await say('Listen to this.'),
    pause(600),
    play([64, 64, 65, 67, 67, 65], 400),
    pause(600),
    await say('Now it is your turn.'),
    pause(300),
  ],
  chimes: [pause(200), play([72, 68, 70, 63], 700), pause(200), play([63, 70, 72, 68], 700)],
}

function writeWav(name: string, parts: Float32Array[]): void {
  const samples = parts.flatMap((part) => Array.from(part))
  const header = Buffer.alloc(44)
  header.write('RIFF', 0)
  header.writeUInt32LE(36 + samples.length * 2, 4)
  header.write('WAVEfmt ', 8)
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(1, 22)
  header.writeUInt32LE(sampleRate, 24)
  header.writeUInt32LE(sampleRate * 2, 28)
  header.writeUInt16LE(2, 32)
  header.writeUInt16LE(16, 34)
  header.write('data', 36)
  header.writeUInt32LE(samples.length * 2, 40)
  const values = Int16Array.from(samples, (sample) => Math.round(Math.max(-1, Math.min(1, sample)) * 32767))
  writeFileSync(
    join(folder, 'recordings', `${name}.wav`),
    Buffer.concat([header, Buffer.from(values.buffer)]),
  )
}

for (const part of ['pictures', 'recordings']) mkdirSync(join(folder, part), { recursive: true })
for (const [name, drawing] of Object.entries(drawings)) await draw(name, drawing)
for (const [name, parts] of Object.entries(recordings)) writeWav(name, parts)
rmSync(scratch, { recursive: true })
