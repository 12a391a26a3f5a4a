import type { Schemas } from '../api/client'

type Release = Schemas['Release']
const CHOSEN = ['risk', 'owner', 'packaging', 'snapshots', 'exams', 'sources', 'serving', 'strategies', 'locked', 'reproducible', 'label'] as const

/** What differs between two releases, by name: before, after. */
export function differences(before: Release, after: Release): [name: string, before: string, after: string][] {
  const [one, other] = [flat(before), flat(after)]
  const names = [...new Set([...one.keys(), ...other.keys()])]
  return names.filter((name) => one.get(name) !== other.get(name)).map((name) => [name, one.get(name) ?? '–', other.get(name) ?? '–'])
}

function flat(release: Release): Map<string, string> {
  const found = new Map([['commit', release.commit], ['digest', release.digest]])
  for (const name of CHOSEN) spread(found, name, release.data[name])
  return found
}

function spread(found: Map<string, string>, name: string, value: unknown): void {
  if (value === undefined || value === null) return
  if (typeof value === 'object') for (const [key, each] of Object.entries(value)) spread(found, `${name}.${key}`, each)
  else found.set(name, String(value))
}
