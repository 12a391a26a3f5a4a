import type { Schemas } from '../api/client'

type Release = Schemas['Release']
type Endpoint = Schemas['Endpoint']
type Monitor = Schemas['Monitor']
type Alert = Schemas['Alert']
type Change = Schemas['Change']

/** A model with what is known of it. */
export type ModelRow = { model: string; newest?: Release; endpoints: Endpoint[]; monitors: Monitor[]; alerts: Alert[] }

/** The models of releases and endpoints, by name. */
export function modelsOf(releases: Release[], endpoints: Endpoint[], monitors: Monitor[], alerts: Alert[]): ModelRow[] {
  const names = new Set([...releases.map((each) => each.model), ...endpoints.map((each) => modelOf(each.endpoint))])
  return [...names].sort().map((model) => ({
    model,
    newest: releases.filter((each) => each.model === model).sort((one, other) => other.number - one.number)[0],
    endpoints: endpoints.filter((each) => modelOf(each.endpoint) === model),
    monitors: monitors.filter((each) => modelOf(each.endpoint) === model),
    alerts: alerts.filter((each) => modelOf(each.endpoint) === model),
  }))
}

/** The model of an endpoint, which is `environment/model`. */
export function modelOf(endpoint: string): string {
  return endpoint.slice(endpoint.indexOf('/') + 1)
}

/** A step of the ladder: what serves in an environment, what comes, and what the newest release still lacks. */
export type Rung = { environment: string; endpoints: Endpoint[]; coming: Change[]; candidate: Release | null; lacks: 'nothing' | 'below' | 'request' | 'approval' | 'deployment' | 'release' }

const UNFINISHED = new Set(['requested', 'awaiting_approval', 'approved', 'scheduled', 'deploying'])

/** The ladder of a model, the lowest environment first. */
export function ladder(environments: string[], releases: Release[], endpoints: Endpoint[], changes: Change[]): Rung[] {
  const candidate = releases.filter((each) => ['candidate', 'verified', 'live'].includes(each.state)).sort((one, other) => other.number - one.number)[0] ?? null
  const servesAt = (environment: string) => endpoints.filter((each) => each.endpoint.startsWith(`${environment}/`))
  return environments.map((environment, index) => {
    const here = servesAt(environment)
    const coming = changes.filter((each) => each.environment === environment && UNFINISHED.has(each.state))
    const below = index > 0 ? servesAt(environments[index - 1] ?? '') : []
    return { environment, endpoints: here, coming, candidate, lacks: lacking(candidate, here, coming, below, index) }
  })
}

function lacking(candidate: Release | null, here: Endpoint[], coming: Change[], below: Endpoint[], index: number): Rung['lacks'] {
  if (!candidate) return 'release'
  if (here.some((each) => each.release >= candidate.number)) return 'nothing'
  const change = coming.find((each) => each.release === candidate.number)
  if (change) return ['requested', 'awaiting_approval'].includes(change.state) ? 'approval' : 'deployment'
  if (index > 0 && !below.some((each) => each.release === candidate.number)) return 'below'
  return 'request'
}
