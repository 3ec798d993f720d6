// What TypeDoc's pages lack, and what they have too much of.
import { errorKinds } from '../../src/core/errors.ts'

const beta = /\*\*`Beta`\*\*/g
const stability = '[May still change](../README.md#stable-and-changing).'

/** A page with links where an error, a paper or an example is named, and with one word for each export that may
 * change instead of one for each of its members. */
export function tidy(page: string): string {
  return page
    .split(/^(?=## )/m)
    .map((part) => saidOnce(part))
    .join('')
    .split(/^(```[\s\S]*?^```)/m)
    .map((part, index) => (index % 2 === 1 ? part : withLinks(part)))
    .join('')
    .replaceAll(/\n{3,}/g, '\n\n')
}

function saidOnce(part: string): string {
  let isSaid = false
  return part.replace(beta, () => {
    const text = isSaid ? '' : stability
    isSaid = true
    return text
  })
}

const codes = new RegExp(`(?<![\\w\`'"#/])(${Object.keys(errorKinds).join('|')})(?![\\w\`'"])`, 'g')

function withLinks(text: string): string {
  return text
    .replace(codes, (code) => `[${code}](../errors.md#${code.toLowerCase()})`)
    .replace(/\bdocs\/([\w-]+\.md(?:#[\w-]+)?)/g, '[docs/$1](../$1)')
    .replace(/\bexamples\/embed\b/g, '[examples/embed](../../examples/embed/README.md)')
}
