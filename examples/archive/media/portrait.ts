// A drawn head and shoulders, shaded with gradients so that a face detector that learned from
// photographs takes it for a face. Canvas of 400 x 480.

export interface Looks {
  skin: string
  hair: string
  shirt: string
  eyes: string
  longHair: boolean
}

export function portrait({ skin, hair, shirt, eyes, longHair }: Looks): string {
  return `
  <defs>
    <radialGradient id="face" cx="0.42" cy="0.38" r="0.75">
      <stop offset="0" stop-color="${mix(skin, '#ffffff', 0.28)}"/><stop offset="0.55" stop-color="${skin}"/>
      <stop offset="1" stop-color="${mix(skin, '#000000', 0.42)}"/>
    </radialGradient>
    <linearGradient id="neck" x2="0" y2="1"><stop stop-color="${mix(skin, '#000000', 0.45)}"/><stop offset="1" stop-color="${mix(skin, '#000000', 0.12)}"/></linearGradient>
    <linearGradient id="nose" x2="1"><stop stop-color="${mix(skin, '#ffffff', 0.35)}" stop-opacity="0.7"/><stop offset="1" stop-color="${mix(skin, '#000000', 0.5)}" stop-opacity="0.55"/></linearGradient>
    <linearGradient id="wall" x2="1" y2="1"><stop stop-color="#b8c0c4"/><stop offset="1" stop-color="#7d868c"/></linearGradient>
    <linearGradient id="hair" x2="0" y2="1"><stop stop-color="${mix(hair, '#ffffff', 0.22)}"/><stop offset="1" stop-color="${hair}"/></linearGradient>
    <filter id="soft"><feGaussianBlur stdDeviation="7"/></filter>
    <filter id="edge"><feGaussianBlur stdDeviation="1.3"/></filter>
  </defs>
  <rect width="400" height="480" fill="url(#wall)"/>
  <g filter="url(#edge)">
    ${longHair ? '<path d="M200 62C92 62 84 170 92 270C96 330 88 372 76 400H324C312 372 304 330 308 270C316 170 308 62 200 62Z" fill="url(#hair)"/>' : ''}
    <path d="M30 480C40 405 120 392 160 376H240C280 392 360 405 370 480Z" fill="${shirt}"/>
    <path d="M160 310V380C176 408 224 408 240 380V310Z" fill="url(#neck)"/>
    <ellipse cx="108" cy="225" rx="13" ry="28" fill="${mix(skin, '#000000', 0.2)}"/><ellipse cx="292" cy="225" rx="13" ry="28" fill="${mix(skin, '#000000', 0.3)}"/>
    <path d="M200 88C138 88 110 140 110 205C110 290 160 352 200 352C240 352 290 290 290 205C290 140 262 88 200 88Z" fill="url(#face)"/>
    <path d="M200 70C126 70 98 128 106 205C116 168 130 146 158 134C196 148 250 146 268 132C284 150 288 176 294 205C302 128 274 70 200 70Z" fill="url(#hair)"/>
  </g>
  <g filter="url(#soft)" fill="${mix(skin, '#000000', 0.55)}" opacity="0.55">
    <ellipse cx="160" cy="204" rx="30" ry="14"/><ellipse cx="240" cy="204" rx="30" ry="14"/>
    <ellipse cx="212" cy="264" rx="22" ry="6"/><ellipse cx="200" cy="318" rx="26" ry="5"/><ellipse cx="280" cy="260" rx="12" ry="50"/>
  </g>
  <g filter="url(#soft)" fill="#d0604a" opacity="0.25"><ellipse cx="145" cy="256" rx="22" ry="15"/><ellipse cx="255" cy="256" rx="22" ry="15"/></g>
  <g filter="url(#edge)">
    <path d="M192 205C190 235 182 250 182 262C188 272 212 272 218 262C218 250 208 235 207 205Z" fill="url(#nose)"/>
    <ellipse cx="190" cy="266" rx="6" ry="3.4" fill="${mix(skin, '#000000', 0.7)}"/><ellipse cx="210" cy="266" rx="6" ry="3.4" fill="${mix(skin, '#000000', 0.7)}"/>
    <path d="M132 184Q156 168 182 181" stroke="${hair}" stroke-width="7" fill="none" stroke-linecap="round"/>
    <path d="M218 181Q244 168 268 184" stroke="${hair}" stroke-width="7" fill="none" stroke-linecap="round"/>
    ${eye(160, eyes, skin)}${eye(240, eyes, skin)}
    <path d="M166 300Q184 290 200 295Q216 290 234 300Q216 303 200 302Q184 303 166 300Z" fill="${mix('#a8433f', skin, 0.25)}"/>
    <path d="M166 300Q184 303 200 302Q216 303 234 300Q218 318 200 318Q182 318 166 300Z" fill="${mix('#c8625a', skin, 0.25)}"/>
    <path d="M166 300Q200 306 234 300" stroke="#5c2220" stroke-width="2.4" fill="none"/>
  </g>`
}

function eye(x: number, colour: string, skin: string): string {
  return `<path d="M${x - 23} 207Q${x} 189 ${x + 23} 207Q${x} 219 ${x - 23} 207Z" fill="#f4efe9"/>
    <circle cx="${x}" cy="204" r="9.5" fill="${colour}"/><circle cx="${x}" cy="204" r="4.6" fill="#0b0808"/><circle cx="${x - 3}" cy="200" r="2.3" fill="#fff"/>
    <path d="M${x - 24} 207Q${x} 187 ${x + 24} 207" stroke="#1c120e" stroke-width="3.6" fill="none"/>
    <path d="M${x - 22} 196Q${x} 182 ${x + 22} 196" stroke="${mix(skin, '#000000', 0.5)}" stroke-width="2" fill="none"/>
    <path d="M${x - 20} 212Q${x} 222 ${x + 20} 212" stroke="${mix(skin, '#000000', 0.4)}" stroke-width="1.6" fill="none"/>`
}

/** A colour between two, `#rrggbb`; share 0 is the first, 1 the second. */
function mix(first: string, second: string, share: number): string {
  const parts = [1, 3, 5].map((at) => {
    const [a, b] = [
      Number.parseInt(first.slice(at, at + 2), 16),
      Number.parseInt(second.slice(at, at + 2), 16),
    ]
    return Math.round(a + (b - a) * share)
      .toString(16)
      .padStart(2, '0')
  })
  return `#${parts.join('')}`
}
