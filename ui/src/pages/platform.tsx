import { useLocation } from 'preact-iso'
import { answer, api, BACKGROUND, page, type Schemas } from '../api/client'
import { useFetched } from '../api/fetched'
import { Empty, Page, Panel } from '../look/page'
import { Pages } from '../look/pages'
import { t, tOr } from '../look/preferences'
import { Shape, State } from '../look/state'
import { type Column, Table } from '../look/table'
import { Facts, Id, Time, Who } from '../look/values'
import '../charts/charts.css'
import { withQuery } from '../model/query'

type Version = Schemas['SettingsVersion']
type Placement = Schemas['ReleasePlacement']

/** What holds, what is not as it was applied, and which location takes what? */
export default function Platform() {
  const { query } = useLocation()
  const now = useFetched(() => answer(api.GET('/api/v1/platform', BACKGROUND)), [])
  const drift = useFetched(() => answer(api.GET('/api/v1/platform/drift', BACKGROUND)), [])
  const after = query.after ? { after: query.after } : {}
  const versions = useFetched(() => page(api.GET('/api/v1/platform/versions', { params: { query: { limit: 20, ...after } }, ...BACKGROUND })), [query.after])
  const locations = useFetched(() => page(api.GET('/api/v1/locations', { params: { query: { limit: 200 } }, ...BACKGROUND })), [])
  return (
    <Page title={t('platform.title')} lead={t('platform.lead')}>
      <Panel fetched={now}>
        {(held) => (held.version === 0 ? <Empty command="falaj platform apply platform.yaml">{t('platform.empty')}</Empty> : (
          <>
            <Facts facts={[
              [t('platform.version'), <bdi>{String(held.version)}</bdi>],
              [t('platform.digest'), <Id short={24}>{held.digest}</Id>],
              [t('platform.by'), <Who id={held.actor} />],
              [t('platform.at'), <Time at={held.applied_at} />],
            ]} />
            <details><summary>{t('platform.text')}</summary><pre dir="ltr" tabIndex={0}>{held.text}</pre></details>
          </>
        ))}
      </Panel>
      <Panel title={t('platform.drift')} fetched={drift}>
        {(found) => (found.findings.length ? <Table caption={t('platform.drift')} columns={findings()} rows={found.findings} id={(each) => `${each.kind} ${each.subject}`} /> : (
          <p class="state"><Shape family="ok" /> <span>{t('platform.no-drift')} <Time at={found.checked_at} /></span></p>
        ))}
      </Panel>
      <Panel title={t('platform.locations')} fetched={locations}>
        {({ rows }) => <Table caption={t('platform.locations')} columns={locationColumns()} rows={rows} id={(each) => each.location} />}
      </Panel>
      <Explain />
      <Panel title={t('platform.versions')} fetched={versions}>
        {({ rows, next }) => (
          <>
            {rows.length ? rows.map((version) => <VersionOf version={version} />) : <p class="faint">{t('platform.no-versions')}</p>}
            <Pages query={query} next={next} path="/platform" />
          </>
        )}
      </Panel>
    </Page>
  )
}

/** Which locations a release goes to, and the rule that lets it in or keeps it out. */
function Explain() {
  const { path, query, route } = useLocation()
  const release = query.release ?? ''
  const name = release.includes('@') ? release : `${release}@latest`
  const fetched = useFetched(() => (release ? answer(api.GET('/api/v1/releases/{name}/placement', { params: { path: { name } }, ...BACKGROUND })) : Promise.resolve([] as Placement[])), [release])
  const columns: Column<Placement>[] = [
    { head: t('environment'), cell: (each) => <Id>{each.environment}</Id> },
    { head: t('location'), cell: (each) => <Id>{each.location}</Id> },
    { head: t('platform.kind'), cell: (each) => <Id>{each.kind}</Id> },
    { head: t('platform.law'), cell: (each) => <bdi>{each.jurisdiction}</bdi> },
    { head: t('platform.placed'), cell: (each) => <span class="state"><Shape family={each.placed ? 'ok' : 'off'} /> <span>{each.placed ? t('yes') : t('platform.no')}</span></span> },
    { head: t('platform.rule'), wide: true, cell: (each) => <bdi>{each.rule}</bdi> },
  ]
  return (
    <Panel title={t('platform.explain')} fetched={fetched}>
      {(rows) => (
        <>
          <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
            <label class="filter">{t('platform.release')}<input name="release" dir="ltr" value={release} placeholder="flight-delay@3" onChange={(event) => route(withQuery(path, query, { release: event.currentTarget.value.trim() }))} /></label>
          </form>
          {rows.length > 0 && <Table caption={t('platform.explain')} columns={columns} rows={rows} id={(each) => `${each.environment} ${each.location}`} />}
        </>
      )}
    </Panel>
  )
}

function VersionOf({ version }: { version: Version }) {
  const columns: Column<Version['differences'][number]>[] = [
    { head: t('platform.change'), cell: (each) => tOr(`difference.${each.kind}`, each.kind) },
    { head: t('platform.path'), cell: (each) => <Id>{each.path}</Id> },
    { head: t('platform.before'), wide: true, cell: (each) => <Id>{written(each.before)}</Id> },
    { head: t('platform.after'), wide: true, cell: (each) => <Id>{written(each.after)}</Id> },
    { head: t('platform.loosens'), cell: (each) => (each.loosens ? <span class="state warn"><Shape family="warn" /> <span>{t('yes')}</span></span> : <span class="faint">–</span>) },
  ]
  return (
    <details class="version">
      <summary>{t('platform.version')} <bdi>{String(version.version)}</bdi> · <Who id={version.actor} /> · <Time at={version.applied_at} /> · {t('platform.differences', { n: version.differences.length })}</summary>
      {version.differences.length > 0 && <Table caption={`${t('platform.version')} ${version.version}`} columns={columns} rows={version.differences} id={(each) => `${each.kind} ${each.path}`} />}
    </details>
  )
}

function findings(): Column<Schemas['DriftFinding']>[] {
  return [
    { head: t('platform.kind'), cell: (each) => <Id>{each.kind}</Id> },
    { head: t('platform.subject'), cell: (each) => <Id>{each.subject}</Id> },
    { head: t('platform.message'), wide: true, cell: (each) => <bdi>{each.message}</bdi> },
  ]
}

function locationColumns(): Column<Schemas['Location']>[] {
  return [
    { head: t('location'), cell: (each) => <Id>{each.location}</Id> },
    { head: t('run.state'), cell: (each) => <State word={each.state} /> },
    { head: t('platform.seen'), cell: (each) => <Time at={each.seen_at} /> },
    { head: t('platform.certified'), cell: (each) => <Time at={each.certified_until} /> },
  ]
}

function written(value: unknown): string {
  return value === undefined || value === null ? '–' : typeof value === 'string' ? value : JSON.stringify(value)
}
