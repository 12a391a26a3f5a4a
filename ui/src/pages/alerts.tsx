import { api, BACKGROUND, page, type Schemas } from '../api/client'
import { asked, Listing, stateOptions } from '../look/listing'
import { t, tOr } from '../look/preferences'
import { State } from '../look/state'
import type { Column } from '../look/table'
import { Id, Time } from '../look/values'

/** What is wrong? */
export default function Alerts() {
  return (
    <Listing
      title={t('alerts.title')} lead={t('alerts.lead')} empty={t('alerts.empty')} columns={alertColumns()} id={(alert) => alert.id}
      filters={[
        { name: 'open', label: t('alerts.open'), options: [['', t('any')], ['true', t('alerts.unresolved')]] },
        { name: 'state', label: t('run.state'), options: stateOptions(['open', 'acknowledged', 'muted', 'resolved']) },
        { name: 'environment', label: t('environment') },
        { name: 'model', label: t('model') },
      ]}
      load={(query) => page(api.GET('/api/v1/alerts', { params: { query: asked(query, ['open', 'state', 'environment', 'model']) as object }, ...BACKGROUND }))}
      concerns={(event) => event.subject.startsWith('alert/')}
    />
  )
}

/** The columns of a list of alerts. */
export function alertColumns(): Column<Schemas['Alert']>[] {
  return [
    { head: t('run.state'), cell: (alert) => <State word={alert.state} /> },
    { head: t('alert'), cell: (alert) => <a href={`/alerts/${alert.id}`}><Id>{alert.id}</Id></a> },
    { head: t('alert.severity'), cell: (alert) => t(`severity.${alert.severity}`) },
    { head: t('alert.cause'), cell: (alert) => tOr(`cause.${alert.cause}`, alert.cause) },
    { head: t('endpoint'), cell: (alert) => <Id>{`${alert.endpoint} @${alert.release}`}</Id> },
    { head: t('alert.reasons'), wide: true, cell: (alert) => <bdi class="faint">{alert.reasons[0] ?? ''}</bdi> },
    { head: t('alert.opened'), cell: (alert) => <Time at={alert.opened_at} /> },
  ]
}
