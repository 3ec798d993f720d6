// How the timeline looks: colours, type, hatches, and the few functions that write SVG. Colours are told
// apart by people with any kind of colour vision (Okabe and Ito's set, red kept for the budget line); each is
// written as a class, so that light and dark differ in the style sheet alone and viewers without CSS
// variables show it too.

/** Light fill, dark fill, ink that is readable on each. */
const modelColours = [
  ['#0072b2', '#4ba3db', '#fff', '#06141d'],
  ['#e69f00', '#e8ad2b', '#211700', '#1d1400'],
  ['#009e73', '#2fbd94', '#fff', '#04150f'],
  ['#cc79a7', '#d68db6', '#210a17', '#210a17'],
  ['#56b4e9', '#7cc8f0', '#06141d', '#06141d'],
  ['#7b5ea7', '#a88fd0', '#fff', '#120a1d'],
  ['#a0653a', '#c58a5e', '#fff', '#1a0e05'],
  ['#c9b400', '#ddcb2e', '#1c1900', '#1c1900'],
  ['#5c6b73', '#93a3ab', '#fff', '#0b0f11'],
] as const

/** The class of the n-th model; after nine they repeat, and the row's name tells. */
export function colourOf(index: number): number {
  return index % modelColours.length
}

const sans = 'system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif'

export function styleSheet(): string {
  const colours = (shade: 0 | 1) =>
    modelColours.map((each, n) => `.m${n}{fill:${each[shade]}}.i${n}{fill:${each[shade + 2]}}`).join('')
  return `<style>
text{font-family:${sans};font-size:12px;fill:#24292f;font-variant-numeric:tabular-nums}
.title{font-size:20px;font-weight:600}.device{font-size:14px;font-weight:600}.muted{fill:#656d76}.small{font-size:11px}
.count{font-size:10.5px;font-weight:600;text-anchor:middle}.end{text-anchor:end}.middle{text-anchor:middle}
.page{fill:#fff}.grid{stroke:#d8dee4;stroke-width:1}.row{fill:#f6f8fa}.neutral{fill:#6e7781}
.resident{opacity:.22}.area{opacity:.42}.booked{fill:none;stroke:#24292f;stroke-width:1.2}
.measured{fill:none;stroke:#24292f;stroke-width:1.2;stroke-dasharray:2 2.5;opacity:.75}
.line{fill:none;stroke:#cf222e;stroke-width:1.6}.red{fill:#cf222e}.cross{fill:none;stroke:#24292f;stroke-width:1.6}
.fault{fill:#cf222e}.held{fill:none;stroke:#cf222e;stroke-width:1.4}.cut{stroke:#8c959f;stroke-width:1;stroke-dasharray:3 3}
.gap{fill:#eaeef2}.moments{fill:none;stroke:#24292f;stroke-width:1;opacity:.09}.halo{fill:none;stroke:#fff;stroke-width:4;opacity:.75}${colours(0)}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.muted{fill:#8d96a0}.page{fill:#0d1117}.grid{stroke:#262c36}
.row{fill:#12171f}.neutral{fill:#8d96a0}.resident{opacity:.3}.booked,.measured,.cross{stroke:#e6edf3}
.line,.held{stroke:#ff6a69}.red,.fault{fill:#ff6a69}.cut{stroke:#6e7681}.gap{fill:#1c222b}.moments{stroke:#e6edf3}.halo{stroke:#0d1117}${colours(1)}}
</style>`
}

/** Hatches for loads (dense, rising) and releases (sparse, falling): one pair for each colour in use, one
 * neutral. */
export function hatches(colourCount: number): string {
  const names = [
    ...Array.from({ length: Math.min(colourCount, modelColours.length) }, (_, n) => `m${n}`),
    'neutral',
  ]
  const pattern = (id: string, angle: number, stripe: number, name: string) =>
    `<pattern id="${id}-${name}" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(${angle})">` +
    `<rect width="5" height="5" class="${name}" opacity=".14"/><rect width="${stripe}" height="5" class="${name}"/></pattern>`
  return `<defs>${names.map((name) => pattern('load', 45, 2.2, name) + pattern('release', -45, 1, name)).join('')}</defs>`
}

/** One decimal is a tenth of a pixel; more would only make the file larger. */
export function px(value: number): string {
  return String(Math.round(value * 10) / 10)
}

export function escapeXml(text: string): string {
  return text
    .replace(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, '\u{FFFD}')
    .replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)
}

export function label(x: number, y: number, className: string, text: string): string {
  return `<text x="${px(x)}" y="${px(y)}"${className ? ` class="${className}"` : ''}>${escapeXml(text)}</text>`
}

/** Where a rectangle is, px. */
export interface Frame {
  x: number
  y: number
  width: number
  height: number
}

/** A rectangle with a tooltip; `paint` is a class or, with `#`, a pattern. */
export function bar({ x, y, width, height }: Frame, paint: string, tip = ''): string {
  const fill = paint.startsWith('#') ? `fill="url(${paint})"` : `class="${paint}"`
  const size = `x="${px(x)}" y="${px(y)}" width="${px(width)}" height="${px(height)}"`
  const corner = width > 3 && height > 6 ? ' rx="1.5"' : ''
  return `<rect ${size}${corner} ${fill}${tip ? `><title>${escapeXml(tip)}</title></rect>` : '/>'}`
}

/** About how wide a text of 12 px is; browsers differ by a few percent. */
export function textWidth(text: string, fontSize = 12): number {
  let units = 0
  for (const sign of text)
    units += /[iljtfr.,:;|'! ]/.test(sign) ? 0.32 : /[mwMWA-Z]/.test(sign) ? 0.74 : 0.58
  return units * fontSize
}

/** Cuts a text to a width, ending it with an ellipsis. */
export function clip(text: string, width: number, fontSize = 12): string {
  if (textWidth(text, fontSize) <= width) return text
  let short = [...text].slice(0, 200)
  while (short.length > 1 && textWidth(`${short.join('')}…`, fontSize) > width) short = short.slice(0, -1)
  return `${short.join('').trimEnd()}…`
}
