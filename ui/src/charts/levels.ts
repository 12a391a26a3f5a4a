import type { Schemas } from '../api/client'

type Walk = Schemas['LineageWalk']
export type LevelRow = { node: string; relation: string; of: string; distance: number }

/** The edges of a walk as rows with their distance from where it began, the nearest first. */
export function levelsOf(walk: Walk, upward: boolean): LevelRow[] {
  const distances = new Map([[walk.node, 0]])
  const edges = walk.edges.map((edge) => (upward ? [edge.derived, edge.origin, edge.relation] : [edge.origin, edge.derived, edge.relation]) as [string, string, string])
  for (let grew = true; grew; ) {
    grew = false
    for (const [near, far] of edges) {
      const next = (distances.get(near) ?? Infinity) + 1
      if (next < (distances.get(far) ?? Infinity)) {
        distances.set(far, next)
        grew = true
      }
    }
  }
  const rows = edges.map(([near, far, relation]) => ({ node: far, relation, of: near, distance: distances.get(far) ?? Infinity }))
  return rows.sort((one, other) => one.distance - other.distance)
}
