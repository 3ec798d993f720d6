// Text in the cells of a terminal: how many a text takes, and how to make it fit. What people and files bring
// may hold anything, so line breaks become spaces and control characters, which could move the cursor, are
// shown as `�`.
//
// Width is by what people see as one sign (a grapheme): two cells for East Asian wide signs and emoji, else
// one.

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** East Asian Wide and Fullwidth, and the planes of emoji and ideographs; from Unicode's EastAsianWidth,
 * coarsely. */
const wide =
  /[\u1100-\u115F\u231A\u231B\u2329\u232A\u23E9-\u23EC\u2614\u2615\u26A1\u2705\u2728\u274C\u2753-\u2755\u2795-\u2797\u2B1B\u2B1C\u2B50\u2B55\u2E80-\u303E\u3041-\uA4CF\uA960-\uA97F\uAC00-\uD7A3\uF900-\uFAFF\uFE10-\uFE19\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{1F1E6}-\u{1F1FF}\u{1F300}-\u{1F64F}\u{1F680}-\u{1F6FF}\u{1F900}-\u{1F9FF}\u{1FA70}-\u{1FAFF}\u{20000}-\u{3FFFD}]|\uFE0F/u

const zeroWidth = /^[\p{Mn}\p{Me}\p{Cf}]+$/u

/** One line without control characters. */
export function plain(text: string): string {
  return text
    .replace(/\s*[\r\n\t\v\f\u2028\u2029]+\s*/g, ' ')
    .replace(/\p{Cc}|[\u202A-\u202E\u2066-\u2069]/gu, '\uFFFD')
}

/** Lines without control characters: what comes from data must not move the cursor or colour the screen. */
export function printable(text: string): string {
  return text.replace(/(?![\n\t])\p{Cc}|[\u202A-\u202E\u2066-\u2069]/gu, '\uFFFD')
}

/** How many cells a plain text takes. */
export function cellCount(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  let count = 0
  for (const { segment } of segmenter.segment(text)) count += graphemeCells(segment)
  return count
}

function graphemeCells(grapheme: string): number {
  return wide.test(grapheme) ? 2 : zeroWidth.test(grapheme) ? 0 : 1
}

/** The text, or its beginning and an ellipsis, in at most `width` cells. */
export function fit(text: string, width: number): string {
  if (cellCount(text) <= width) return text
  if (width <= 0) return ''
  let short = ''
  let count = 0
  for (const { segment } of segmenter.segment(text)) {
    const cells = graphemeCells(segment)
    if (count + cells > width - 1) break
    short += segment
    count += cells
  }
  return `${short.trimEnd()}…`
}

/** Spaces up to `width` cells, after the text or before it. */
export function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const space = ' '.repeat(Math.max(0, width - cellCount(text)))
  return align === 'left' ? text + space : space + text
}
