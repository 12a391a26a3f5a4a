import { answer, api, BACKGROUND } from './client'

/** An environment, in the order in which releases come through. */
export type Environment = { name: string; rank: number }

/** The environments, the lowest first. */
export async function environments(): Promise<Environment[]> {
  const { spec } = await answer(api.GET('/api/v1/platform', BACKGROUND))
  const named = Object.values((spec.environments ?? {}) as { [name: string]: Environment })
  return named.map(({ name, rank }) => ({ name, rank })).sort((one, other) => one.rank - other.rank)
}
