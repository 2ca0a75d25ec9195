// Drives the original's web client, built as it is, through a user's whole journey on a host, and
// fails at anything that is not as it should be: a wrong word on a page, an error in the console, a
// request that failed, an answer of 400 or more that nobody provoked.
//
// usage: node journey.mjs <address of the host> [folder for pictures]
// needs: npm install playwright-core; Chromium (CHROME, else /usr/bin/chromium)
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [base = 'http://localhost:8000', pictures] = process.argv.slice(2);
const REQUEST = 'a task manager with projects and tags';
const SOON = 30_000;
const A_WHOLE_RUN = 15 * 60_000;

// What went wrong, and what may go wrong in the phase that provokes it.
const problems = [];
let phase = '';
let provoked = () => false;

function begin(name, mayFail = () => false) {
  phase = name;
  provoked = mayFail;
  console.log(name);
}
// What the client does by itself: its page links a style sheet that its build does not have, and it
// does not know a message that the original's server sends.
const isItsOwn = text => /index\.css|Unknown message type: WORKFLOW_STAGE_COMPLETED/.test(text);
function note(kind, text) {
  if (isItsOwn(text)) return;
  if (!provoked(`${kind}: ${text}`)) problems.push(`${phase}: ${kind}: ${text}`);
}
function check(holds, what) {
  console.log(`  ${holds ? 'ok  ' : 'FAIL'} ${what}`);
  if (!holds) problems.push(`${phase}: ${what}`);
}

const context = await chromium.launchPersistentContext(mkdtempSync(join(tmpdir(), 'journey-')), {
  executablePath: process.env.CHROME ?? '/usr/bin/chromium',
  headless: true,
  viewport: { width: 1440, height: 900 },
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
// The client's page asks several servers of others for scripts and pictures it can do without.
const isOurs = url => ['localhost', '127.0.0.1'].includes(new URL(url).hostname) || url.startsWith('data:') || url.startsWith('blob:');
await context.route(url => !isOurs(url.href), route => route.abort());

const frames = [];
const page = context.pages()[0] ?? (await context.newPage());
page.on('console', message => {
  const where = message.location().url;
  if (['error', 'warning'].includes(message.type()) && (!where || isOurs(where))) note(`console ${message.type()}`, message.text());
});
page.on('pageerror', error => note('page error', error.message));
page.on('requestfailed', request => {
  const why = request.failure()?.errorText;
  // A page that is left gives up what it was still asking for.
  if (isOurs(request.url()) && why !== 'net::ERR_ABORTED') note('request failed', `${request.method()} ${request.url()} ${why}`);
});
page.on('response', response => {
  if (isOurs(response.url()) && response.status() >= 400) note('answer', `${response.status()} ${response.request().method()} ${response.url()}`);
});
const posts = [];
page.on('request', request => {
  if (request.method() === 'POST') posts.push(new URL(request.url()).pathname);
});
page.on('websocket', socket => socket.on('framereceived', frame => frames.push(JSON.parse(frame.payload))));
// Every stage the progress bar shows, with its name.
await page.addInitScript(() => {
  window.stages = [];
  new MutationObserver(() => {
    for (const span of document.querySelectorAll('span')) {
      if (!/^\d+\/12$/.test(span.textContent)) continue;
      const bar = span.closest('.max-w-2xl');
      const shown = `${span.textContent} ${bar?.querySelector('span:nth-of-type(2)')?.textContent ?? ''}`;
      if (window.stages.at(-1) !== shown) window.stages.push(shown);
    }
  }).observe(document, { subtree: true, childList: true, characterData: true });
});

const picture = async name => {
  if (!pictures) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `${name}.png`) }).catch(error => console.log(`  no picture: ${error.message}`));
};
const tab = name => page.getByRole('button', { name, exact: true });
const bubble = (text, timeout = SOON) => page.locator('p.whitespace-pre-wrap', { hasText: text }).last().waitFor({ timeout });
const bubbles = async () => (await page.locator('p.whitespace-pre-wrap').allTextContents()).join('\n');
const answerTo = (method, path) => page.waitForResponse(response => response.request().method() === method && new URL(response.url()).pathname.match(path), { timeout: SOON });
const isUnlocked = timeout => page.waitForFunction(() => document.querySelector('form textarea')?.disabled === false, null, { timeout });
const say = async text => {
  await page.locator('form textarea').fill(text);
  await page.locator('form button[type=submit]').click();
};
// The screen that the client shows when it crashed.
const noCrash = async () => check(!(await page.content()).includes('Something went wrong'), 'the page did not crash');

try {
  begin('home');
  await page.goto(base);
  await page.getByText('Recent Projects').waitFor();
  await page.getByText('No projects yet').waitFor({ timeout: SOON });
  await picture('home');

  begin('provider');
  const menu = page.getByRole('button', { name: 'Select LLM Provider' });
  await menu.click();
  const offered = await page.getByRole('option').allTextContents();
  check(offered.length > 0, `the menu offers ${offered.join(', ')}`);
  const set = answerTo('POST', /^\/api\/providers\/set$/);
  await page.getByRole('option', { name: /offline|built-in/i }).click();
  check((await set).status() === 200, 'the choice is taken');
  await page.waitForFunction(() => !document.querySelector('[role=listbox]'), null, { timeout: SOON });
  check(/offline|built-in/i.test(await menu.textContent()), 'the chosen provider is shown');

  begin('costs before there is anything');
  await page.getByRole('button', { name: 'Settings - Cost Dashboard' }).click();
  await page.getByText('No tracked projects found.').waitFor({ timeout: SOON });
  await page.getByRole('button', { name: 'Close' }).click();

  begin('create');
  await page.locator('form textarea').fill(REQUEST);
  await page.getByRole('button', { name: 'Generate' }).click();
  await page.waitForURL(/#\/workspace\//, { timeout: SOON });
  const project = page.url().split('/').at(-1);
  check(/^[A-Za-z0-9_-]{1,100}$/.test(project), `the project is called ${project}`);
  await bubble('Initiating autonomous workflow');
  await bubble('Workflow started');
  check(posts.filter(path => path.endsWith('/generate/backend')).length === 1, 'the build was started once');

  begin('progress');
  await tab('Terminal').click();
  await page.getByText('Agent Thinking').waitFor();
  await page.waitForFunction(() => /[1-9]\d* thoughts/.test(document.body.textContent), null, { timeout: A_WHOLE_RUN });
  await picture('terminal');
  check(await page.locator('form textarea').isDisabled(), 'the chat waits while the workflow runs');
  await bubble('Workflow completed successfully', A_WHOLE_RUN);
  const stages = await page.evaluate(() => window.stages);
  console.log(`  shown: ${stages.join(' · ')}`);
  for (let stage = 1; stage <= 12; stage += 1) {
    check(stages.some(shown => shown.startsWith(`${stage}/12`)), `stage ${stage} of 12 was shown`);
  }
  check(!frames.some(frame => frame.type === 'WORKFLOW_FAILED'), 'nothing failed');
  await bubble('Preview is ready at');
  await isUnlocked(SOON);
  await noCrash();

  begin('files');
  await tab('Code').click();
  await page.getByText(/^\d+ files$/).waitFor({ timeout: SOON });
  const count = async () => Number((await page.getByText(/^\d+ files$/).textContent()).split(' ')[0]);
  check((await count()) > 40, `${await count()} files are shown`);
  await page.getByText('run.sh', { exact: true }).click();
  await page.locator('.cm-content').waitFor({ timeout: SOON });
  check((await page.locator('.cm-content').textContent()).startsWith('#!'), 'a file is shown as it is');
  await page.getByText('main.py', { exact: true }).first().click();
  await page.waitForFunction(() => document.querySelector('.cm-content')?.textContent.includes('FastAPI'), null, { timeout: SOON });
  await picture('files');

  begin('terminal');
  await tab('Terminal').click();
  for (const agent of ['Marcus', 'Victoria', 'Derek', 'Luna']) {
    check((await page.locator('span.font-bold', { hasText: agent }).count()) > 0, `${agent} said something`);
  }
  check(!(await page.content()).includes('Invalid Date'), 'all times can be read');

  begin('cost');
  await page.getByRole('button', { name: 'Cost Dashboard' }).click();
  await page.getByText('Tokens per Workflow Step').waitFor({ timeout: SOON });
  const steps = page.locator('button', { hasText: /\d+ calls?/ });
  check((await steps.count()) >= 8, `${await steps.count()} steps have costs`);
  await steps.first().click();
  await picture('cost');
  check(!/NaN|undefined/.test(await page.locator('.fixed.inset-0.z-50').textContent()), 'every number is one');
  await page.getByRole('button', { name: 'Close' }).click();

  begin('preview');
  await tab('Preview').click();
  const app = page.frameLocator('iframe[title="Sandbox Preview"]');
  await app.locator('#root *').first().waitFor({ timeout: SOON });
  await app.getByText(/tasks/i).first().waitFor({ timeout: SOON });
  await page.getByRole('button', { name: 'Mobile' }).click();
  await page.getByRole('button', { name: 'Refresh' }).click();
  await app.getByText(/tasks/i).first().waitFor({ timeout: SOON });
  await picture('preview');

  begin('after the end');
  check(frames.filter(frame => frame.type === 'WORKFLOW_COMPLETE').length === 1, 'the run completed exactly once');
  check(frames.at(-1).type === 'WORKFLOW_COMPLETE', 'and nothing came after that');

  begin('refine');
  const before = frames.length;
  await say('add a field nickname to the tags');
  await bubble('Got it. Refining the codebase');
  check(await page.locator('form textarea').isDisabled(), 'the chat waits');
  await page.waitForFunction(() => [...document.querySelectorAll('p.whitespace-pre-wrap')].filter(p => p.textContent.includes('Workflow completed')).length === 2, null, { timeout: A_WHOLE_RUN });
  await isUnlocked(SOON);
  check((await page.evaluate(() => window.stages)).some(shown => shown.includes('Refinement')), 'the refinement was shown');
  const refined = frames.slice(before);
  check(refined.at(-1).type === 'WORKFLOW_COMPLETE', `the change is done: ${JSON.stringify(refined.at(-1))}`);
  check(refined.some(frame => frame.type === 'WORKSPACE_UPDATED'), 'files were changed');
  check(/nickname/i.test(await bubbles()), 'what was understood is answered in the chat');
  await noCrash();

  begin('reopen');
  await page.locator('a[href="#/"]').first().click();
  const card = page.locator('h3', { hasText: /task manager/i }).first();
  await card.waitFor({ timeout: SOON });
  const image = page.locator('.aspect-video img').first();
  check(await image.evaluate(image => image.decode().then(() => image.naturalWidth > 0, () => false)), 'its picture is shown');
  await picture('projects');
  const runs = async () => (await (await fetch(`${base}/api/v1/projects/${project}/runs`)).json()).runs.length;
  const had = await runs();
  await card.click();
  await isUnlocked(SOON);
  await page.getByText(/^\d+ files$/).waitFor({ timeout: SOON });
  check((await runs()) === had, 'opening it again starts nothing');

  begin('reload');
  await page.reload();
  await isUnlocked(SOON);
  await page.getByText(/^\d+ files$/).waitFor({ timeout: SOON });
  check((await runs()) === had, 'a reload starts nothing');
  check((await count()) > 40, 'its files are there');

  begin('a direct address');
  const other = await context.newPage();
  await other.goto(`${base}/#/workspace/${project}`);
  await other.waitForFunction(() => document.querySelector('form textarea')?.disabled === false, null, { timeout: SOON });
  check(true, 'the page is unlocked');
  await other.close();

  begin('pause and continue');
  await say('add a field budget to the projects');
  await bubble('Got it. Refining the codebase');
  const latest = async () => (await (await fetch(`${base}/api/v1/projects/${project}/runs`)).json()).runs[0];
  const paused = await fetch(`${base}/api/v1/runs/${(await latest()).id}/pause`, { method: 'POST' });
  check(paused.status === 200, 'somebody wants it paused');
  const banner = page.getByRole('button', { name: 'Continue' });
  await banner.waitFor({ timeout: A_WHOLE_RUN });
  await picture('paused');
  await banner.click();
  await bubble('Workflow resumed');
  await isUnlocked(A_WHOLE_RUN);
  check((await latest()).status === 'completed', 'it went on to its end');

  begin('deploy');
  const shownBefore = await page.locator('p.whitespace-pre-wrap').count();
  const deployed = answerTo('POST', /^\/api\/deployment\//);
  await page.getByRole('button', { name: 'Deploy' }).click();
  check((await deployed).status() === 200, 'the deployment is taken');
  const served = () => page.locator('p.whitespace-pre-wrap').last().textContent();
  await page.waitForFunction(had => [...document.querySelectorAll('p.whitespace-pre-wrap')].length > had, shownBefore, { timeout: SOON });
  check(/Preview is ready at: http/.test(await served()), `the address is said: ${await served()}`);
  await picture('deployed');
  await page.reload();
  await isUnlocked(SOON);
  check(true, 'a reload gives the chat back');

  begin('all costs');
  await page.locator('a[href="#/"]').first().click();
  await page.getByRole('button', { name: 'Settings - Cost Dashboard' }).click();
  await page.getByText('Tokens per Workflow Step').waitFor({ timeout: SOON });
  await page.getByRole('button', { name: 'Close' }).click();

  begin('a request that is too short', text => /^answer: 422 POST .*\/api\/projects$|status of 422|Error creating project/.test(text));
  await page.locator('form textarea').fill('x');
  await page.getByRole('button', { name: 'Generate' }).click();
  await page.waitForTimeout(1000);
  await noCrash();
  check(page.url().endsWith('#/'), 'the user stays where he is');

  begin('a project that does not exist', text => /^answer: 404 GET .*\/no-such-project|status of 404|\[WS\] Error|WebSocket|File tree error|\[Get Project\] Error 404|Get Project failed/.test(text));
  await page.goto(`${base}/#/workspace/no-such-project`);
  await bubble('Error loading file tree');
  await bubble('WebSocket connection error');
  await noCrash();

  begin('what the host refuses', text => /^answer: 4(09|22) POST .*\/api\/workspace\/resume$|status of 4(09|22)/.test(text));
  await page.goto('about:blank');
  await page.goto(`${base}/#/workspace/${project}`);
  await isUnlocked(SOON);
  // Only tags: after the client took them out nothing is left to do.
  await say('<b></b>');
  await bubble('Failed to refine');
  await isUnlocked(SOON);
  await noCrash();
  await picture('refused');
} catch (error) {
  problems.push(`${phase}: ${error.message}`);
  await picture('failed');
  console.log(`  on the page:\n${(await bubbles().catch(() => '')).split('\n').map(line => `    ${line}`).join('\n')}`);
  console.log(`  last frames: ${JSON.stringify(frames.slice(-5))}`);
}
await context.close();
console.log(problems.length === 0 ? 'no failure' : `\n${problems.length} problems:\n- ${problems.join('\n- ')}`);
process.exit(problems.length === 0 ? 0 : 1);
