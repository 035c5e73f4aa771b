// Every public method of the TypeScript client's api, with the values that came back, as one JSON object.
import { ChatGeneration, LiteralClient, Score } from '@literalai/client';
import { randomUUID } from 'node:crypto';

const run = randomUUID().slice(0, 8);
const client = new LiteralClient({ environment: 'staging', apiUrl: `${process.env.LITERAL_API_URL}/` });
const called = new Set();
const api = new Proxy(client.api, {
  get(target, name) {
    const value = target[name];
    if (typeof value !== 'function') return value;
    return (...given) => {
      called.add(name);
      return value.apply(target, given);
    };
  },
});
const results = {};
const say = (name, value) => {
  results[name] = value === undefined ? null : JSON.parse(JSON.stringify(value));
};
const own = (name) => `${name}-${run}`;
const is = (field, value, operator = 'eq') => [{ field, operator, value }];

// the key
const project = await api.getProjectId();
say('project', [project === (await api.makeApiCall('/my-project', {})).projectId, typeof project]);
say('query', await api.makeGqlCall('{ participant(id: "nobody") { id } }', {}));

// users
const ann = await api.createUser(own('ann'), { plan: 'pro' });
say('user', [ann.identifier === own('ann'), ann.metadata]);
say('user kept', (await api.getOrCreateUser(own('ann'))) === ann.id);
say('user updated', (await api.updateUser(ann.id, undefined, { plan: 'free' })).metadata);
say('user found', (await api.getUser(own('ann'))).metadata);
say('users', (await api.getUsers({ first: 1, filters: is('identifier', [own('ann')], 'in') })).data.length);
const bob = await api.createUser(own('bob'));
await api.deleteUser(bob.id);
say('user gone', await api.getUser(own('bob')));

// threads and steps
const thread = await client.thread({ id: own('thread'), name: 'A talk', participantId: ann.id, tags: ['t'] }).upsert();
const outer = await thread.step({ name: 'Outer', type: 'run', input: { q: 1 }, metadata: { k: 'v' } }).send();
const generation = new ChatGeneration({
  provider: 'openai', model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }],
  messageCompletion: { role: 'assistant', content: 'Hello' }, inputTokenCount: 3, outputTokenCount: 2, tokenCount: 5,
});
const inner = await outer.step({ name: 'Inner', type: 'llm', output: { a: 1 }, generation }).send();
outer.output = { content: own('said') };
await outer.send();
await api.sendSteps([thread.step({ id: own('sent'), name: 'Sent', type: 'user_message', output: { content: 'Hey' } })]);
const read = await api.getStep(inner.id);
say('step', [read.name, read.type, read.parentId === outer.id, read.generation.messageCompletion, read.generation.tokenCount,
  read.environment]);
say('steps', (await api.getSteps({ filters: is('threadId', thread.id) })).data.map((one) => one.name).sort());
const back = await api.getThread(thread.id);
say('thread', [back.name, back.tags, back.participant.identifier === own('ann'), back.steps.map((one) => one.name).sort()]);
say('thread renamed', (await api.upsertThread({ threadId: thread.id, name: 'Renamed' })).name);
say('threads', (await api.getThreads({ filters: is('participantId', ann.id) })).data.map((one) => one.name));
say('thread unknown', await api.getThread('no-such-thread'));
say('step unknown', await api.getStep('no-such-step'));

// generations
const made = await api.createGeneration(new ChatGeneration({
  provider: 'mistral', model: 'm', tags: [own('tag')], messages: [{ role: 'user', content: 'x' }],
  messageCompletion: { role: 'assistant', content: 'y' },
}));
const found = (await api.getGenerations({ filters: is('tags', [own('tag')], 'in') })).data;
say('generations', [found.length, found[0].id === made.id, found[0].type, found[0].messages, found[0].provider]);

// scores
const score = await api.createScore({ name: 'stars', type: 'HUMAN', value: 1, stepId: inner.id, comment: 'good' });
say('score', [score.name, score.value, score.comment, score.stepId === inner.id]);
say('score updated', (await api.updateScore(score.id, { value: 0 })).comment);
say('scores made', (await api.createScores([new Score({ name: 'a', type: 'AI', value: 0.5, stepId: inner.id })])).length);
say('scores', (await api.getScores({ filters: is('name', 'stars'), first: 1 })).data.map((one) => [one.name, one.value]));
await api.deleteScore(score.id);
say('step scored', (await api.getStep(inner.id)).scores.map((one) => one.name));

// files
const upload = await api.uploadFile({ content: Buffer.from('bytes'), mime: 'text/plain', threadId: thread.id });
say('upload', await (await fetch(upload.url)).text());
const attachment = await api.createAttachment({ content: Buffer.from('beside'), mime: 'text/plain', name: 'n.txt' });
say('attachment', [attachment.name, attachment.mime, await (await fetch(attachment.url)).text()]);

// datasets and experiments
const dataset = await api.createDataset({ name: own('dataset'), description: 'd', type: 'key_value' });
say('dataset', [dataset.name === own('dataset'), dataset.metadata, dataset.type]);
await api.updateDataset(dataset.id, { description: 'changed' });
const item = await api.createDatasetItem(dataset.id, { input: { q: 1 }, expectedOutput: { a: 1 } });
say('item', (await api.getDatasetItem(item.id)).expectedOutput);
const ofStep = await api.addStepToDataset(dataset.id, outer.id);
say('item of a step', [ofStep.input, ofStep.intermediarySteps.length]);
const ofOne = await api.addGenerationToDataset(dataset.id, made.id);
say('item of a generation', [ofOne.input, ofOne.expectedOutput, ofOne.metadata]);
say('items of generations', (await api.addGenerationsToDataset(dataset.id, [made.id, inner.id])).length);
const whole = await api.getDataset({ name: own('dataset') });
say('dataset read', [whole.description, whole.items.length]);
say('dataset unknown', await api.getDataset({ name: 'no such dataset' }));
say('datasets', (await api.getDatasets()).filter((one) => one.name === own('dataset')).length);
const experiment = await api.createExperiment({ name: 'Trial', datasetId: dataset.id, params: [{ p: 1 }] });
const logged = await api.createExperimentItem({
  datasetExperimentId: experiment.id, datasetItemId: item.id, input: { q: 1 }, output: { a: 1 },
  scores: [new Score({ name: 's', type: 'AI', value: 1 })],
});
say('experiment', [experiment.params, logged.input, logged.output]);
await api.deleteDatasetItem(item.id);
say('dataset deleted', [(await api.deleteDataset(dataset.id)).name === own('dataset'), await api.getDataset({ id: dataset.id })]);

// prompts
const name = own('prompt');
const template = [{ role: 'user', content: 'Hi {{who}}' }];
const lineage = await api.createPromptLineage(name);
say('lineage', (await api.getPromptLineageByName(name)).id === lineage.id);
const prompt = await api.getOrCreatePrompt(name, template, { provider: 'openai', model: 'gpt-4o' });
say('prompt', [prompt.version, prompt.formatMessages({ who: 'you' })[0].content]);
say('prompt again', (await api.createPrompt(name, template, { provider: 'openai', model: 'gpt-4o' })).id === prompt.id);
say('prompt by id', (await api.getPromptById(prompt.id)).version);
say('prompt by name', (await api.getPrompt(name)).version);
say('prompt unknown', await api.getPrompt('no such prompt'));
say('variant', typeof (await api.createPromptVariant(name, template)));
say('rollout', await api.getPromptAbTesting(name));
await api.updatePromptAbTesting(name, [{ version: 0, rollout: 0.5 }]);
say('rollout now', await api.getPromptAbTesting(name));

// decorators
let wrappedThread;
const wrapped = await client.thread({ name: 'Wrapped' }).wrap(async () =>
  client.run({ name: 'Agent' }).wrap(async () => {
    const answer = await client.step({ name: 'Tool', type: 'tool' }).wrap(async () => ({ found: 1 }));
    wrappedThread = client.getCurrentThread().id;
    return { answer };
  }));
await new Promise((resolve) => setTimeout(resolve, 500));
const tree = await api.getThread(wrappedThread);
say('returned', wrapped);
say('wrapped', tree.steps.map((one) => [one.name, one.type, one.output]).sort());
say('deleted', [await api.deleteStep(own('sent')) !== null, await api.deleteThread(thread.id) !== null, await api.getThread(thread.id)]);

const published = new Set();
for (let at = client.api; at && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
  for (const one of Object.getOwnPropertyNames(at)) {
    if (typeof client.api[one] === 'function' && one !== 'constructor') published.add(one);
  }
}
console.log(JSON.stringify({ results, called: [...called].sort(), public: [...published].sort() }));
