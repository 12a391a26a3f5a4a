/** A log's checkpoint: how many entries it has, and the root over them. */
export type Checkpoint = { size: number; root: string }

/** What a signed checkpoint says (C2SP tlog-checkpoint); undefined where it is none. */
export function parseCheckpoint(text: string): Checkpoint | undefined {
  const [, size, root] = text.split('\n')
  return size && root && /^\d+$/.test(size) ? { size: Number(size), root: hexOf(bytesOfBase64(root)) } : undefined
}

/** Whether a log of this size and root has this leaf at this place (RFC 6962, 2.1.1). */
export async function verifyInclusion(leaf: string, index: number, log: Checkpoint, proof: string[]): Promise<boolean> {
  if (index < 0 || index >= log.size) return false
  let hash = await digest([Uint8Array.of(0), new TextEncoder().encode(leaf)])
  let [first, last] = [index, log.size - 1]
  for (const node of proof.map(bytesOf)) {
    if (last === 0) return false
    if (first % 2 === 1 || first === last) {
      hash = await parent(node, hash)
      while (first !== 0 && first % 2 === 0) [first, last] = [half(first), half(last)]
    } else {
      hash = await parent(hash, node)
    }
    ;[first, last] = [half(first), half(last)]
  }
  return last === 0 && hexOf(hash) === log.root
}

/** Whether a log continues a shorter one: nothing of that was changed or taken out (RFC 6962, 2.1.2). */
export async function verifyConsistency(earlier: Checkpoint, later: Checkpoint, proof: string[]): Promise<boolean> {
  if (earlier.size === later.size) return earlier.root === later.root
  if (earlier.size <= 0 || earlier.size > later.size || proof.length === 0) return false
  const path = (isPower(earlier.size) ? [earlier.root, ...proof] : proof).map(bytesOf)
  let [below, last] = [earlier.size - 1, later.size - 1]
  while (below % 2 === 1) [below, last] = [half(below), half(last)]
  let old = path[0] as Bytes
  let whole = old
  for (const node of path.slice(1)) {
    if (last === 0) return false
    if (below % 2 === 1 || below === last) {
      old = await parent(node, old)
      whole = await parent(node, whole)
      while (below !== 0 && below % 2 === 0) [below, last] = [half(below), half(last)]
    } else {
      whole = await parent(whole, node)
    }
    ;[below, last] = [half(below), half(last)]
  }
  return last === 0 && hexOf(old) === earlier.root && hexOf(whole) === later.root
}

type Bytes = Uint8Array<ArrayBuffer>

const half = (place: number) => Math.floor(place / 2)
const parent = (left: Bytes, right: Bytes) => digest([Uint8Array.of(1), left, right])

function isPower(size: number): boolean {
  return Number.isInteger(Math.log2(size))
}

async function digest(parts: Bytes[]): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', await new Blob(parts).arrayBuffer()))
}

function bytesOf(hex: string): Bytes {
  return Uint8Array.from(hex.match(/../g) ?? [], (each) => parseInt(each, 16))
}

function bytesOfBase64(text: string): Bytes {
  return Uint8Array.from(atob(text), (each) => each.charCodeAt(0))
}

function hexOf(bytes: Bytes): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
