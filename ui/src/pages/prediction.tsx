import { useRoute } from 'preact-iso'
import { answer, api, BACKGROUND, type Schemas } from '../api/client'
import { useFetched } from '../api/fetched'
import { Page, Panel } from '../look/page'
import { t } from '../look/preferences'
import { State } from '../look/state'
import { type Column, Table } from '../look/table'
import { Facts, Id, ReleaseLink, Time, Who } from '../look/values'
import '../charts/charts.css'

type Trace = Schemas['Trace']

/** Where does this prediction come from? */
export default function Prediction() {
  const { id = '' } = useRoute().params
  const fetched = useFetched(() => answer(api.GET('/api/v1/predictions/{prediction_id}', { params: { path: { prediction_id: id } }, ...BACKGROUND })), [id])
  return (
    <Page title={`${t('prediction.title')} ${id}`} shown={<>{t('prediction.title')} <Id>{id}</Id></>} lead={t('prediction.lead')}>
      <Panel fetched={fetched}>{(trace) => <Story trace={trace} />}</Panel>
    </Page>
  )
}

function Story({ trace }: { trace: Trace }) {
  const { release, run, change, served } = trace
  return (
    <>
      <Facts facts={[
        [t('endpoint'), <a href={`/endpoints/${trace.endpoint}`}><Id>{trace.endpoint}</Id></a>],
        [t('release'), <ReleaseLink model={release.model} number={release.number} />],
        [t('location'), served && <Id>{served.location}</Id>],
        [t('prediction.served'), served && <><Time at={served.began_at} /> – {served.ended_at ? <Time at={served.ended_at} /> : t('prediction.still')}</>],
        [t('change'), change && <><a href={`/changes/${change.id}`}><Id>{change.id}</Id></a> <State word={change.state} /></>],
        [t('prediction.approved'), change && change.approvals.length > 0 && change.approvals.map((each) => <><Who id={each.approver} /> </>)],
        [t('run.title'), <><a href={`/runs/${run.id}`}><Id>{run.id}</Id></a> <State word={run.state} /></>],
        [t('run.commit'), <Id short={12}>{run.commit}</Id>],
      ]} />
      <h2>{t('prediction.record')}</h2>
      <pre dir="ltr" tabIndex={0}>{JSON.stringify(trace.prediction, null, 2)}</pre>
      <h2>{t('prediction.data')}</h2>
      <Data rows={trace.data} />
      <h2>{t('prediction.steps')}</h2>
      <Steps run={run.id} rows={trace.steps} />
      <h2>{t('prediction.evidence')}</h2>
      <ul class="plain">{trace.evidence.map((each) => <li><Id>{each.kind}</Id> <Id short={24}>{each.digest}</Id></li>)}</ul>
    </>
  )
}

function Data({ rows }: { rows: Trace['data'] }) {
  const columns: Column<Trace['data'][number]>[] = [
    { head: t('prediction.name'), cell: (each) => <Id>{each.name}</Id> },
    { head: t('prediction.digest'), cell: (each) => <a href={`/lineage?node=${encodeURIComponent(`artifact:${each.digest}`)}`}><Id short={24}>{each.digest}</Id></a> },
    { head: t('prediction.source'), wide: true, cell: (each) => <><Id>{each.source}</Id> <Id short={24}>{each.pinned}</Id></> },
    { head: t('prediction.classification'), cell: (each) => <bdi>{each.classification}</bdi> },
  ]
  return rows.length ? <Table caption={t('prediction.data')} columns={columns} rows={rows} id={(each) => each.name} /> : <p class="faint">{t('prediction.no-data')}</p>
}

function Steps({ run, rows }: { run: string; rows: Trace['steps'] }) {
  const columns: Column<Trace['steps'][number]>[] = [
    { head: t('run.state'), cell: (each) => <State word={each.state} /> },
    { head: t('run.step'), cell: (each) => <a href={`/runs/${run}?node=${encodeURIComponent(each.name)}`}><Id>{each.name}</Id></a> },
    { head: t('prediction.read'), cell: (each) => <Digests digests={each.read} /> },
    { head: t('prediction.outputs'), cell: (each) => <Digests digests={each.outputs} /> },
    { head: t('prediction.made-in'), wide: true, cell: (each) => each.made_in.map((made) => <><a href={`/runs/${made}`}><Id>{made}</Id></a> </>) },
  ]
  return <Table caption={t('prediction.steps')} columns={columns} rows={rows} id={(each) => each.name} />
}

function Digests({ digests }: { digests: string[] }) {
  if (!digests.length) return <span class="faint">–</span>
  return <>{digests.map((each) => <><Id short={15}>{each}</Id> </>)}</>
}
