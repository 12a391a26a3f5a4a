import { api, BACKGROUND, page, type Schemas } from '../api/client'
import { asked, Listing } from '../look/listing'
import { t } from '../look/preferences'
import { State } from '../look/state'
import type { Column } from '../look/table'
import { Id, Num, Time } from '../look/values'

/** How do candidates do? */
export default function Rollouts() {
  const columns: Column<Schemas['Rollout']>[] = [
    { head: t('run.state'), cell: (rollout) => <State word={rollout.state} /> },
    { head: t('rollout'), cell: (rollout) => <a href={`/rollouts/${rollout.id}`}><Id>{rollout.id}</Id></a> },
    { head: t('endpoint'), cell: (rollout) => <Id>{rollout.endpoint}</Id> },
    { head: t('rollout.candidate'), cell: (rollout) => <Id>{`@${rollout.candidate}`}</Id> },
    { head: t('rollout.stable'), cell: (rollout) => <Id>{`@${rollout.stable}`}</Id> },
    { head: t('rollout.strategy'), cell: (rollout) => t(`strategy.${rollout.strategy}`) },
    { head: t('rollout.weight'), end: true, cell: (rollout) => <><Num value={rollout.weight / 100} />%</> },
    { head: t('reason'), wide: true, cell: (rollout) => <bdi class="faint">{rollout.reason}</bdi> },
    { head: t('rollout.since'), cell: (rollout) => <Time at={rollout.since} /> },
  ]
  return (
    <Listing
      title={t('rollouts.title')} lead={t('rollouts.lead')} empty={t('rollouts.empty')} columns={columns} id={(rollout) => rollout.id}
      filters={[{ name: 'endpoint', label: t('endpoint'), example: 'prod/flight-delay' }]}
      load={(query) => page(api.GET('/api/v1/rollouts', { params: { query: asked(query, ['endpoint']) }, ...BACKGROUND }))}
      concerns={(event) => /^(endpoint|change|rollout)\//.test(event.subject)}
    />
  )
}
