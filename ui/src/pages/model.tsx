import { useLocation, useRoute } from 'preact-iso'
import { api, BACKGROUND, page, type Schemas } from '../api/client'
import { environments } from '../api/environments'
import { useFetched } from '../api/fetched'
import { Command, Page, Panel } from '../look/page'
import { Pages } from '../look/pages'
import { t } from '../look/preferences'
import { State } from '../look/state'
import { type Column, Table } from '../look/table'
import { Id, ReleaseLink, Time } from '../look/values'
import { ladder, type Rung } from '../model/ladder'

type Release = Schemas['Release']

/** Where does each release stand, what holds it? */
export default function ModelPage() {
  const { model = '' } = useRoute().params
  const { path, query } = useLocation()
  const fetched = useFetched(() => load(model, query.after), [model, query.after], (event) => /^(release|endpoint|change|alert)\//.test(event.subject))
  return (
    <Page title={`${t('model')} ${model}`} shown={<>{t('model')} <Id>{model}</Id></>} lead={t('model.lead')}>
      <Panel title={t('model.ladder')} fetched={fetched}>
        {({ rungs }) => <ol class="ladder">{rungs.map((rung) => <RungCard model={model} rung={rung} />)}</ol>}
      </Panel>
      <Panel title={t('model.releases')} fetched={fetched}>
        {({ releases, next }) => (
          <>
            <Table caption={t('model.releases')} columns={columns()} rows={releases} id={(release) => String(release.number)} />
            <Pages query={query} next={next} path={path} />
          </>
        )}
      </Panel>
    </Page>
  )
}

async function load(model: string, after: string | undefined) {
  const of = { model, limit: 50 }
  const [releases, endpoints, changes, ordered] = await Promise.all([
    page(api.GET('/api/v1/releases', { params: { query: { ...of, after } }, ...BACKGROUND })),
    page(api.GET('/api/v1/endpoints', { params: { query: of }, ...BACKGROUND })),
    page(api.GET('/api/v1/changes', { params: { query: { ...of, open: true } }, ...BACKGROUND })),
    environments(),
  ])
  return { rungs: ladder(ordered.map((each) => each.name), releases.rows, endpoints.rows, changes.rows), releases: releases.rows, next: releases.next }
}

function RungCard({ model, rung }: { model: string; rung: Rung }) {
  const release = rung.candidate && `${model}@${rung.candidate.number}`
  return (
    <li class="rung">
      <h3><Id>{rung.environment}</Id></h3>
      {rung.endpoints.length ? rung.endpoints.map((each) => (
        <p>
          <ReleaseLink model={model} number={each.release} /> <State word={each.state} />
          <br />
          <a class="faint" href={`/endpoints/${rung.environment}/${model}`}>{t('model.why')}</a> <span class="faint">· <Id>{each.location}</Id></span>
        </p>
      )) : <p class="faint">{t('model.serves-nothing')}</p>}
      {rung.coming.map((change) => (
        <p>
          {t('model.comes')} <ReleaseLink model={model} number={change.release} />
          <br />
          <a href={`/changes/${change.id}`}><State word={change.state} /></a>
        </p>
      ))}
      <p class={rung.lacks === 'nothing' ? 'faint' : ''}>{t(`lacks.${rung.lacks}`, { release: release ?? '' })}</p>
      {rung.lacks === 'request' && release && <Command>{`falaj promote ${release} --to ${rung.environment}`}</Command>}
    </li>
  )
}

function columns(): Column<Release>[] {
  return [
    { head: t('release'), cell: (release) => <ReleaseLink model={release.model} number={release.number} /> },
    { head: t('run.state'), cell: (release) => <State word={release.state} /> },
    { head: t('run.title'), cell: (release) => <a href={`/runs/${release.run_id}`}><Id>{release.run_id}</Id></a> },
    { head: t('run.commit'), cell: (release) => <Id short={8}>{release.commit}</Id> },
    { head: t('gates'), wide: true, cell: (release) => <bdi class="faint">{((release.data.gates ?? []) as { reason?: string }[]).map((gate) => gate.reason).filter(Boolean).join(' · ')}</bdi> },
    { head: t('release.created'), cell: (release) => <Time at={release.created_at} /> },
  ]
}
