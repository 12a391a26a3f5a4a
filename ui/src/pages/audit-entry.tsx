import { useRoute } from 'preact-iso'
import { answer, api, BACKGROUND, Problem, type Schemas } from '../api/client'
import { useFetched } from '../api/fetched'
import { type Checkpoint, parseCheckpoint, verifyConsistency, verifyInclusion } from '../charts/merkle'
import { Command, Page, Panel } from '../look/page'
import { t } from '../look/preferences'
import { Shape, State } from '../look/state'
import { Facts, Id, Time, Who } from '../look/values'
import '../charts/charts.css'

type Proven = Schemas['AuditEntryProof'] & { log: Checkpoint; signed: string; isIncluded: boolean; before: Checkpoint | null; continues: boolean }
const REMEMBERED = 'falaj.checkpoint'

/** Who did this, and can I prove it? */
export default function AuditEntryPage() {
  const { n = '' } = useRoute().params
  const fetched = useFetched(() => prove(Number(n)), [n])
  return (
    <Page title={`${t('entry.title')} ${n}`} shown={<>{t('entry.title')} <Id>{n}</Id></>} lead={fetched.data && <><Time at={fetched.data.entry.at} /> · <State word={fetched.data.entry.outcome} /></>}>
      <Panel fetched={fetched}>
        {(proven) => (
          <>
            <Facts facts={[
              [t('audit.kind'), <Id>{proven.entry.kind}</Id>],
              [t('audit.actor'), <a href={`/audit?actor=${encodeURIComponent(proven.entry.actor)}`}><Who id={proven.entry.actor} /></a>],
              [t('audit.subject'), <a href={`/audit?subject=${encodeURIComponent(proven.entry.subject)}`}><Id>{proven.entry.subject}</Id></a>],
              [t('entry.envelope'), proven.entry.envelope && <Id short={24}>{proven.entry.envelope}</Id>],
            ]} />
            <h2>{t('audit.details')}</h2>
            {proven.entry.details ? <pre dir="ltr" tabIndex={0}>{JSON.stringify(proven.entry.details, null, 2)}</pre> : <p class="faint">{t('audit.erased')}</p>}
            <Proof proven={proven} />
          </>
        )}
      </Panel>
      <nav class="pages" aria-label={t('pages')}>
        {Number(n) > 0 && <a href={`/audit/${Number(n) - 1}`}>{t('entry.earlier')}</a>}
        {fetched.data && Number(n) + 1 < fetched.data.log.size && <a href={`/audit/${Number(n) + 1}`}>{t('entry.later')}</a>}
      </nav>
    </Page>
  )
}

/** What this page computed itself, and what it was given for that. */
function Proof({ proven }: { proven: Proven }) {
  const { log, before } = proven
  return (
    <section class="panel proof">
      <h2>{t('entry.proof')}</h2>
      <ul class="plain">
        <Verdict holds={proven.isIncluded} text={proven.isIncluded ? t('entry.included', { n: log.size }) : t('entry.not-included', { n: log.size })} />
        {before ? (
          <Verdict holds={proven.continues} text={proven.continues ? t('entry.continues', { size: before.size }) : t('entry.broken', { size: before.size })} />
        ) : (
          <li class="faint">{t('entry.first')}</li>
        )}
      </ul>
      <details>
        <summary>{t('entry.given')}</summary>
        <div class="panel">
          <p>{t('entry.leaf')}</p>
          <pre dir="ltr" tabIndex={0}>{proven.leaf}</pre>
          <p>{t('entry.path')}</p>
          <pre dir="ltr" tabIndex={0}>{proven.proof.join('\n') || '–'}</pre>
          <p>{t('entry.checkpoint')}</p>
          <pre dir="ltr" tabIndex={0}>{proven.signed}</pre>
        </div>
      </details>
      <p><a class="button" download={`audit-${proven.entry.index}.json`} href={asFile(proven)}>{t('entry.download')}</a></p>
      <p class="faint">{t('entry.limits')}</p>
      <Command>falaj audit export DIR && falaj audit verify DIR</Command>
    </section>
  )
}

function Verdict({ holds, text }: { holds: boolean; text: string }) {
  return <li class="state"><Shape family={holds ? 'ok' : 'bad'} /> <span>{text}</span></li>
}

/** Fetch an entry with its proof, and check it against the log as it is now and as this browser saw it last. */
async function prove(index: number): Promise<Proven> {
  const signed = (await answer(api.POST('/api/v1/audit/checkpoint', BACKGROUND))).text
  const log = parseCheckpoint(signed)
  if (!log) throw new Problem('ui.checkpoint', t('entry.no-checkpoint'))
  const found = await answer(api.GET('/api/v1/audit/entries/{index}', { params: { path: { index }, query: { size: log.size } }, ...BACKGROUND }))
  const isIncluded = await verifyInclusion(found.leaf, index, log, found.proof)
  const before = remembered()
  const continues = before !== null && (await isContinued(before, log))
  if (!before || continues) remember(log)
  return { ...found, log, signed, isIncluded, before, continues }
}

async function isContinued(before: Checkpoint, log: Checkpoint): Promise<boolean> {
  const query = { first: before.size, second: log.size }
  const { proof } = before.size < log.size ? await answer(api.GET('/api/v1/audit/consistency', { params: { query }, ...BACKGROUND })) : { proof: [] }
  return verifyConsistency(before, log, proof)
}

function remembered(): Checkpoint | null {
  try {
    return JSON.parse(localStorage.getItem(REMEMBERED) ?? 'null') as Checkpoint | null
  } catch {
    return null
  }
}

function remember(log: Checkpoint): void {
  try {
    localStorage.setItem(REMEMBERED, JSON.stringify(log))
  } catch {
    // a browser that keeps nothing compares with nothing
  }
}

function asFile({ entry, leaf, proof, signed }: Proven): string {
  return `data:application/json,${encodeURIComponent(JSON.stringify({ entry, leaf, proof, checkpoint: signed }, null, 2))}`
}
