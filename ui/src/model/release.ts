import type { Run, Schemas } from '../api/client'

type Release = Schemas['Release']

/** A gate that a release passed. */
export type Gate = { text: string; value: number | null; limit: number | null; interval: [number, number] | null; slice: string; rows: number | null; reason: string }

/** The gates of a release; what its run says of them has the intervals and slices. */
export function gatesOf(release: Release, run?: Run): Gate[] {
  const judged = new Map((run?.steps ?? []).filter((step) => step.kind === 'gate').map((step) => [step.node, step.detail]))
  return ((release.data.gates ?? []) as { [name: string]: unknown }[]).map((gate) => {
    const text = String(gate.text ?? '')
    const more: { [name: string]: unknown } = { ...gate, ...judged.get(text) }
    const number = (name: string) => (typeof more[name] === 'number' ? (more[name] as number) : null)
    const interval = Array.isArray(more.interval) && more.interval.length === 2 ? (more.interval as [number, number]) : null
    return { text, value: number('value'), limit: number('limit'), interval, slice: String(more.slice ?? ''), rows: number('rows'), reason: String(more.reason ?? '') }
  })
}

/** A statement of a DSSE envelope, as it says itself. */
export type Statement = { kind: string; subjects: { name: string; digest: string }[]; keys: string[]; predicate: { [name: string]: unknown } }

/** What an envelope says; its signature is not verified here. */
export function statementOf(envelope: { [name: string]: unknown }): Statement | null {
  try {
    const bytes = Uint8Array.from(atob(String(envelope.payload)), (character) => character.charCodeAt(0))
    const statement = JSON.parse(new TextDecoder().decode(bytes)) as { predicateType?: string; subject?: { name: string; digest: { [kind: string]: string } }[]; predicate?: { [name: string]: unknown } }
    const signatures = (envelope.signatures ?? []) as { keyid?: string }[]
    return {
      kind: shortKind(statement.predicateType ?? ''),
      subjects: (statement.subject ?? []).map((each) => ({ name: each.name, digest: Object.entries(each.digest).map(([kind, hex]) => `${kind}:${hex}`)[0] ?? '' })),
      keys: signatures.map((each) => each.keyid ?? ''),
      predicate: statement.predicate ?? {},
    }
  } catch {
    return null
  }
}

function shortKind(type: string): string {
  const parts = type.split('/').filter((part) => part && !/^v\d/.test(part))
  return parts.at(-1) ?? type
}
