/** A piece of a log line, with the class of its colour. */
export type Piece = { text: string; look: string }

const COLOURS: { [code: string]: string } = { 31: 'bad', 32: 'ok', 33: 'warn', 34: 'run', 35: 'wait', 36: 'run', 91: 'bad', 92: 'ok', 93: 'warn', 94: 'run' }
const ESCAPE = /\u001b\[([0-9;]*)m|\u001b\[[0-9;?]*[A-Za-ln-z]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)/g
/** Turns the direction of a line, or is not seen: shown as its number. */
const UNSEEN = /(?!\t)[\p{Cc}\p{Cf}]/gu
const LONGEST = 4_000

/** A log line in pieces of one colour each; what cannot be seen is written out. */
export function pieces(line: string): Piece[] {
  const found: Piece[] = []
  let look = ''
  let last = 0
  const shown = line.length > LONGEST ? `${line.slice(0, LONGEST)} … (+${line.length - LONGEST})` : line
  for (const match of shown.matchAll(ESCAPE)) {
    add(found, shown.slice(last, match.index), look)
    last = match.index + match[0].length
    if (match[1] !== undefined) look = lookOf(match[1], look)
  }
  add(found, shown.slice(last), look)
  return found
}

function add(found: Piece[], text: string, look: string): void {
  const seen = text.replace(UNSEEN, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
  if (seen) found.push({ text: seen, look })
}

function lookOf(codes: string, look: string): string {
  return codes.split(';').reduce((now, code) => {
    if (code === '' || code === '0' || code === '39') return ''
    return COLOURS[code] ?? now
  }, look)
}
