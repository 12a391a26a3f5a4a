/** Something that the palette leads to. */
export type Place = { name: string; kind: string; href: string }

const ID = /^[0-9][0-9a-z]{11}$/
const RELEASE = /^([A-Za-z0-9][\w.-]*)@(\d+)$/
const ENDPOINT = /^([\w.-]+)\/([\w.-]+)$/
const PREDICTION = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const MOST = 12

/** The places that a text leads to: by its form first, then those whose name has all its words. */
export function placesFor(text: string, known: Place[]): Place[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const matching = known.filter((place) => words.every((word) => `${place.name} ${place.kind}`.toLowerCase().includes(word)))
  const all = [...byForm(text.trim()), ...matching]
  return all.filter((place, index) => all.findIndex((each) => each.href === place.href) === index).slice(0, MOST)
}

function byForm(text: string): Place[] {
  const release = RELEASE.exec(text)
  if (release) return [{ name: text, kind: 'release', href: `/models/${release[1]}/releases/${release[2]}` }]
  const endpoint = ENDPOINT.exec(text)
  if (endpoint) return [{ name: text, kind: 'endpoint', href: `/endpoints/${text}` }]
  if (PREDICTION.test(text)) return [{ name: text, kind: 'prediction', href: `/predictions/${text}` }]
  if (!ID.test(text)) return []
  return (['run', 'change', 'rollout', 'alert'] as const).map((kind) => ({ name: text, kind, href: `/${kind}s/${text}` }))
}
