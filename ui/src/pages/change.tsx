import { useRoute } from 'preact-iso'
import { useEffect, useState } from 'preact/hooks'
import { answer, api, BACKGROUND, type Run, type Schemas } from '../api/client'
import { useFetched } from '../api/fetched'
import { Ask, type Permission, permissions } from '../look/ask'
import { GateTable } from '../look/gates'
import { Command, Page, Panel } from '../look/page'
import { t } from '../look/preferences'
import { State } from '../look/state'
import { Facts, Id, ReleaseLink, Time, Who } from '../look/values'
import { differences } from '../model/differences'
import { canonical, sha256, signedForm } from '../model/canonical'

type Change = Schemas['Change']
type Release = Schemas['Release']
type Decision = { change: Change; release: Release; run: Run; served: Release | null; may: Permission[] }
const OPEN = ['requested', 'awaiting_approval', 'approved', 'scheduled']
const ACTIONS = ['approve-change', 'reject-change', 'cancel-change'] as const

/** Shall this go there? */
export default function ChangePage() {
  const { id = '' } = useRoute().params
  const fetched = useFetched(() => decision(id), [id], (event) => event.subject === `change/${id}` || event.subject.startsWith('endpoint/'))
  const [read, setRead] = useState<Decision>()
  useEffect(() => setRead((before) => (before?.change.id === id ? before : fetched.data)), [fetched.data, id])
  const found = fetched.data
  const moved = read && found && (read.change.state !== found.change.state || read.served?.number !== found.served?.number)
  return (
    <Page title={`${t('change')} ${id}`} shown={<>{t('change')} <Id>{id}</Id></>}
      lead={found && <><State word={found.change.state} /> · <Time at={found.change.created_at} /></>}
      actions={found && OPEN.includes(found.change.state) && <Actions found={found} again={fetched.again} />}>
      {moved && <p class="notice" role="alert">{t('change.moved')} <button type="button" onClick={() => setRead(found)}>{t('change.seen')}</button></p>}
      <Panel fetched={fetched}>
        {(found) => (
          <>
            <p class="sentence">{sentence(found)}</p>
            {found.change.reason && <blockquote dir="auto">{found.change.reason}</blockquote>}
            {found.change.note && <p class="faint" dir="auto">{found.change.note}</p>}
            <Difference found={found} />
            <Evidence found={found} />
            <People found={found} />
            {OPEN.includes(found.change.state) && <Signed change={found.change} />}
          </>
        )}
      </Panel>
    </Page>
  )
}

async function decision(id: string): Promise<Decision> {
  const change = await answer(api.GET('/api/v1/changes/{change_id}', { params: { path: { change_id: id } }, ...BACKGROUND }))
  const endpoints = await answer(api.GET('/api/v1/endpoints', { params: { query: { environment: change.environment, model: change.model } }, ...BACKGROUND }))
  const number = endpoints[0]?.release === change.release ? endpoints[0].previous : endpoints[0]?.release
  const release = (of: number) => answer(api.GET('/api/v1/releases/{name}', { params: { path: { name: `${change.model}@${of}` } }, ...BACKGROUND }))
  const [asked, served] = await Promise.all([release(change.release), number ? release(number) : null])
  const [run, may] = await Promise.all([
    answer(api.GET('/api/v1/runs/{run_id}', { params: { path: { run_id: asked.run_id } }, ...BACKGROUND })),
    permissions(ACTIONS, asked.project, change.environment),
  ])
  return { change, release: asked, run, served, may }
}

function sentence({ change, served }: Decision): string {
  const values = { who: change.requester.replace(/^user:/, ''), release: `${change.model}@${change.release}`, environment: change.environment, risk: t(`risk.${change.risk}`), given: change.approvals.length, n: change.quorum, before: served?.number ?? 0 }
  return `${t(served ? 'change.asks-instead' : 'change.asks', values)} ${t(change.quorum ? 'change.standing' : 'change.none-needed', values)}`
}

function Actions({ found, again }: { found: Decision; again: () => void }) {
  const path = { params: { path: { change_id: found.change.id } } }
  const [approve, reject, cancel] = found.may
  return (
    <>
      <a class="button primary" href="#signed" aria-disabled={approve?.allowed === false}>{t('change.approve')}</a>
      <Ask label={t('change.reject')} permission={reject} done={again} act={(reason) => answer(api.POST('/api/v1/changes/{change_id}/reject', { ...path, body: { reason } }))} />
      <Ask label={t('change.cancel')} permission={cancel} done={again} act={(reason) => answer(api.POST('/api/v1/changes/{change_id}/cancel', { ...path, body: { reason } }))} />
    </>
  )
}

function Difference({ found: { release, served } }: { found: Decision }) {
  const rows = served ? differences(served, release) : []
  return (
    <section class="panel">
      <h2>{t('change.differs')}</h2>
      {!served && <p class="faint">{t('change.first')}</p>}
      {served && !rows.length && <p class="faint">{t('change.same')}</p>}
      {rows.length > 0 && (
        <div class="table" role="region" aria-label={t('change.differs')} tabIndex={0}>
          <table>
            <thead><tr><th scope="col">{t('change.what')}</th><th scope="col"><Id>{`@${served?.number}`}</Id></th><th scope="col"><Id>{`@${release.number}`}</Id></th></tr></thead>
            <tbody>{rows.map(([name, before, after]) => <tr><th scope="row"><Id>{name}</Id></th><td class="wide"><Id>{before}</Id></td><td class="wide"><Id>{after}</Id></td></tr>)}</tbody>
          </table>
        </div>
      )}
    </section>
  )
}

function Evidence({ found: { release, run, served } }: { found: Decision }) {
  return (
    <section class="panel">
      <h2>{t('change.evidence')}</h2>
      <GateTable release={release} before={served} run={run} />
      <p><a href={`/models/${release.model}/releases/${release.number}`}>{t('change.all-evidence', { release: `${release.model}@${release.number}` })}</a></p>
    </section>
  )
}

function People({ found: { change, may } }: { found: Decision }) {
  return (
    <section class="panel">
      <h2>{t('change.people')}</h2>
      <Facts facts={[
        [t('changes.requester'), <Who id={change.requester} />],
        [t('changes.approvals'), change.approvals.length > 0 && <ul class="plain">{change.approvals.map((each) => <li><Who id={each.approver} /> · <Time at={each.approved_at} /> · <Id short={12}>{each.key_id}</Id></li>)}</ul>],
        [t('change.you'), OPEN.includes(change.state) && may[0] && (may[0].allowed ? t('change.you-may') : <bdi>{may[0].reason}</bdi>)],
        [t('change.expires'), <Time at={change.expires_at} />],
        [t('change.opens'), change.opens_at && <Time at={change.opens_at} />],
        [t('release'), <ReleaseLink model={change.model} number={change.release} />],
      ]} />
    </section>
  )
}

/** The approval in full, its SHA-256 as this page computes it, and the command that signs it where the key is. */
function Signed({ change }: { change: Change }) {
  const fetched = useFetched(() => toSign(change.id), [change.id, change.updated_at])
  return (
    <div id="signed">
      <Panel title={t('change.signed')} fetched={fetched}>
        {({ text, digest }) => (
          <>
            <p>{t('change.signed-lead')}</p>
            <pre dir="ltr" tabIndex={0} aria-label={t('change.signed')}>{text}</pre>
            <p>SHA-256 <Id>{digest}</Id></p>
            <Command>{`falaj approve ${change.id} --expect ${digest}`}</Command>
          </>
        )}
      </Panel>
    </div>
  )
}

async function toSign(id: string): Promise<{ text: string; digest: string }> {
  const { approval } = await answer(api.GET('/api/v1/changes/{change_id}/approval', { params: { path: { change_id: id } }, ...BACKGROUND }))
  const form = signedForm(approval)
  return { text: JSON.stringify(JSON.parse(canonical(JSON.parse(form))), null, 2), digest: await sha256(form) }
}
