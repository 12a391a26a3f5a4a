import { api, BACKGROUND, page, type Schemas } from '../api/client'
import { asked, Listing } from '../look/listing'
import { t } from '../look/preferences'
import { State } from '../look/state'
import type { Column } from '../look/table'
import { Id, Time, Who } from '../look/values'

/** Who did what? */
export default function Audit() {
  const columns: Column<Schemas['AuditEntry']>[] = [
    { head: t('audit.index'), end: true, cell: (entry) => <a href={`/audit/${entry.index}`}><Id>{String(entry.index)}</Id></a> },
    { head: t('audit.at'), cell: (entry) => <Time at={entry.at} /> },
    { head: t('audit.outcome'), cell: (entry) => <State word={entry.outcome} /> },
    { head: t('audit.kind'), cell: (entry) => <Id>{entry.kind}</Id> },
    { head: t('audit.actor'), cell: (entry) => <Who id={entry.actor} /> },
    { head: t('audit.subject'), cell: (entry) => <Subject name={entry.subject} /> },
    { head: t('audit.details'), wide: true, cell: (entry) => (entry.details ? <code dir="ltr" class="faint">{JSON.stringify(entry.details)}</code> : <span class="faint">{t('audit.erased')}</span>) },
  ]
  return (
    <Listing
      title={t('audit.title')} lead={t('audit.lead')} empty={t('audit.empty')} columns={columns} id={(entry) => String(entry.index)}
      filters={[{ name: 'kind', label: t('audit.kind'), example: 'change.' }, { name: 'subject', label: t('audit.subject'), example: 'change/…' }, { name: 'actor', label: t('audit.actor'), example: 'user:ana' }]}
      load={(query) => page(api.GET('/api/v1/audit/entries', { params: { query: asked(query, ['kind', 'subject', 'actor']) }, ...BACKGROUND }))}
    />
  )
}

/** What an entry is about, with a link where it has a page. */
function Subject({ name }: { name: string }) {
  const [, kind, rest] = /^(run|change|alert|endpoint)\/(.+)$/.exec(name) ?? []
  return kind && rest ? <a href={`/${kind}s/${rest}`}><Id>{name}</Id></a> : <Id>{name}</Id>
}
