import families from './states.json'

/** A shape and a colour that several states share. */
export type Family = keyof typeof families

const byWord = new Map<string, Family>(
  Object.entries(families).flatMap(([family, words]) => words.map((word) => [word, family as Family] as const)),
)

/** The family of a state; one that nobody knows is shown as something to look at. */
export function familyOf(word: string): Family {
  return byWord.get(word) ?? 'warn'
}
