import { api, BACKGROUND, page, type Schemas } from '../api/client'
import { asked, Listing } from '../look/listing'
import { t } from '../look/preferences'
import { State } from '../look/state'
import type { Column } from '../look/table'
import { Id, Num, ReleaseLink, Time } from '../look/values'
import { modelOf } from '../model/ladder'

/** What serves? */
export default function Endpoints() {
  const columns: Column<Schemas['Endpoint']>[] = [
    { head: t('run.state'), cell: (each) => <State word={each.state} /> },
    { head: t('endpoint'), cell: (each) => <a href={`/endpoints/${each.endpoint}`}><Id>{each.endpoint}</Id></a> },
    { head: t('location'), cell: (each) => <Id>{each.location}</Id> },
    { head: t('release'), cell: (each) => <ReleaseLink model={modelOf(each.endpoint)} number={each.release} /> },
    { head: t('endpoint.replicas'), end: true, cell: (each) => <Num value={each.replicas_ready} /> },
    { head: t('endpoint.message'), wide: true, cell: (each) => <bdi class="faint">{each.message}</bdi> },
    { head: t('endpoint.updated'), cell: (each) => <Time at={each.updated_at} /> },
  ]
  return (
    <Listing
      title={t('endpoints.title')} lead={t('endpoints.lead')} empty={t('endpoints.empty')} columns={columns} id={(each) => `${each.endpoint} ${each.location}`}
      filters={[{ name: 'environment', label: t('environment') }, { name: 'model', label: t('model') }, { name: 'location', label: t('location') }]}
      load={(query) => page(api.GET('/api/v1/endpoints', { params: { query: asked(query, ['environment', 'model', 'location']) }, ...BACKGROUND }))}
      concerns={(event) => /^(endpoint|change|release)\//.test(event.subject)}
    />
  )
}
