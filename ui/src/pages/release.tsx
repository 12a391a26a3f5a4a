import { useRoute } from 'preact-iso'
import { answer, api, BACKGROUND, type Run, type Schemas } from '../api/client'
import { useFetched } from '../api/fetched'
import { GateTable } from '../look/gates'
import { Command, Page, Panel } from '../look/page'
import { t } from '../look/preferences'
import { Shape, State } from '../look/state'
import { type Column, Table } from '../look/table'
import { Facts, Id, Time, Who } from '../look/values'
import { type Statement, statementOf } from '../model/release'

type Release = Schemas['Release']
type Named = { name: string; value: string }

/** May I trust it? */
export default function ReleasePage() {
  const { model = '', n = '' } = useRoute().params
  const name = `${model}@${n}`
  const path = { params: { path: { name } } }
  const fetched = useFetched(() => answer(api.GET('/api/v1/releases/{name}', { ...path, ...BACKGROUND })), [name], (event) => event.subject === `release/${name}`)
  const evidence = useFetched(() => answer(api.GET('/api/v1/releases/{name}/bundle', { ...path, ...BACKGROUND })), [name])
  const release = fetched.data
  const run = useFetched(() => runOf(release), [release?.run_id])
  return (
    <Page title={name} shown={<Id>{name}</Id>} lead={release && <><State word={release.state} /> · <Time at={release.created_at} /></>}>
      <Panel title={t('gates')} fetched={fetched}>{(release) => <GateTable release={release} run={run.data ?? undefined} />}</Panel>
      <Panel title={t('release.evidence')} fetched={evidence}>{(bundle) => <Evidence bundle={bundle} release={release} name={name} />}</Panel>
      <Panel title={t('release.from')} fetched={fetched}>{(release) => <Origin release={release} />}</Panel>
    </Page>
  )
}

async function runOf(release: Release | undefined): Promise<Run | null> {
  return release ? answer(api.GET('/api/v1/runs/{run_id}', { params: { path: { run_id: release.run_id } }, ...BACKGROUND })) : null
}

function Evidence({ bundle, release, name }: { bundle: Schemas['ReleaseBundle']; release: Release | undefined; name: string }) {
  const statements = bundle.evidence.map(statementOf)
  const columns: Column<Statement | null>[] = [
    { head: t('release.statement'), cell: (each) => <Id>{each?.kind ?? '?'}</Id> },
    { head: t('release.about'), cell: (each) => <About statement={each} release={release} /> },
    { head: t('release.key'), cell: (each) => each?.keys.map((key) => <Id short={16}>{key}</Id>) },
  ]
  return (
    <>
      <p>{t('release.evidence-lead', { n: statements.length })}</p>
      <Table caption={t('release.evidence')} columns={columns} rows={statements} id={(each) => `${each?.kind} ${each?.subjects[0]?.digest} ${JSON.stringify(each?.predicate).length}`} />
      <p>{t('release.verify-lead')}</p>
      <Command>{`falaj release verify ${name}`}</Command>
    </>
  )
}

/** Whether a statement is about the very bytes of this release, or about something that it was made from. */
function About({ statement, release }: { statement: Statement | null; release: Release | undefined }) {
  if (!statement) return <span class="state bad"><Shape family="bad" /> {t('release.unreadable')}</span>
  const own = statement.subjects.some((subject) => subject.digest === release?.digest)
  if (own) return <span class="state ok"><Shape family="ok" /> {t('release.this-model')}</span>
  return <span>{statement.subjects.map((subject) => <><Id>{subject.name}</Id> <span class="faint"><Id short={19}>{subject.digest}</Id></span> </>)}</span>
}

function Origin({ release }: { release: Release }) {
  const data = release.data as { snapshots?: { [name: string]: string }; checks?: { name: string; summary: string }[]; packaging?: string; risk?: string; owner?: string; reproducible?: boolean }
  const named: Named[] = [
    ...Object.entries(data.snapshots ?? {}).map(([name, digest]) => ({ name: t('release.data', { name }), value: digest })),
    ...(data.checks ?? []).map(({ name, summary }) => ({ name: t('release.check', { name }), value: summary })),
  ]
  const columns: Column<Named>[] = [
    { head: t('release.what'), cell: (each) => each.name },
    { head: t('run.outcome'), wide: true, cell: (each) => <bdi>{each.value}</bdi> },
  ]
  return (
    <>
      <Facts facts={[
        [t('run.title'), <a href={`/runs/${release.run_id}`}><Id>{release.run_id}</Id></a>],
        [t('run.commit'), <Id>{release.commit}</Id>],
        [t('release.digest'), <Id>{release.digest}</Id>],
        [t('release.packaging'), data.packaging && <bdi>{data.packaging}</bdi>],
        [t('release.risk'), data.risk && t(`risk.${data.risk}`)],
        [t('models.owner'), data.owner && <Who id={data.owner} />],
        [t('release.reproducible'), data.reproducible === undefined ? null : t(data.reproducible ? 'yes' : 'no')],
      ]} />
      {named.length > 0 && <Table caption={t('release.from')} columns={columns} rows={named} id={(each) => each.name} />}
    </>
  )
}
