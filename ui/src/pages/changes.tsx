import { api, BACKGROUND, page, type Schemas } from '../api/client'
import { asked, Listing, stateOptions } from '../look/listing'
import { t } from '../look/preferences'
import { State } from '../look/state'
import type { Column } from '../look/table'
import { Id, ReleaseLink, Time, Who } from '../look/values'

type Change = Schemas['Change']
const STATES = ['requested', 'awaiting_approval', 'approved', 'scheduled', 'deploying', 'done', 'failed', 'rejected', 'expired', 'invalidated', 'cancelled', 'review_due', 'reviewed', 'rolled_back'] as const

/** What shall go where? */
export default function Changes() {
  return (
    <Listing
      title={t('changes.title')} lead={t('changes.lead')} empty={t('changes.empty')} command="falaj promote MODEL@NUMBER --to ENVIRONMENT" columns={changeColumns()} id={(change) => change.id}
      filters={[
        { name: 'open', label: t('changes.open'), options: [['', t('any')], ['true', t('changes.unfinished')]] },
        { name: 'state', label: t('run.state'), options: stateOptions(STATES) },
        { name: 'environment', label: t('environment') },
        { name: 'model', label: t('model') },
      ]}
      load={(query) => page(api.GET('/api/v1/changes', { params: { query: asked(query, ['open', 'state', 'environment', 'model']) as object }, ...BACKGROUND }))}
      concerns={(event) => event.subject.startsWith('change/')}
    />
  )
}

/** The columns of a list of changes. */
export function changeColumns(): Column<Change>[] {
  return [
    { head: t('run.state'), cell: (change) => <State word={change.state} /> },
    { head: t('change'), cell: (change) => <a href={`/changes/${change.id}`}><Id>{change.id}</Id></a> },
    { head: t('release'), cell: (change) => <ReleaseLink model={change.model} number={change.release} /> },
    { head: t('environment'), cell: (change) => <Id>{change.environment}</Id> },
    { head: t('changes.kind'), cell: (change) => t(`changes.kind.${change.kind}`) },
    { head: t('changes.approvals'), cell: (change) => <bdi dir="ltr">{`${change.approvals.length} / ${change.quorum}`}</bdi> },
    { head: t('changes.requester'), cell: (change) => <Who id={change.requester} /> },
    { head: t('changes.note'), wide: true, cell: (change) => <bdi class="faint">{change.note || change.reason}</bdi> },
    { head: t('changes.requested'), cell: (change) => <Time at={change.created_at} /> },
  ]
}
