'use strict';
/*
 * The comparison that is hard to beat: fastify and onnxruntime-node in one process, the
 * model a function call away, a process per core, no web server in front.
 *
 *     npm install --ignore-scripts      (its scripts only fetch what GPUs need)
 *     MODEL_ONNX=.../cancer-logistic/1/model.onnx PORT=8001 node server.js
 *
 * Node 20 or newer (package.json holds light-my-request, which only tests would use, at the
 * last release that takes node 20).
 *
 * Settings, all from the environment: MODEL_ONNX (a classifier with the input `features`
 * and the outputs `label` and `probabilities`), FEATURES (30), HOST (127.0.0.1),
 * PORT (8001), PROCESSES (2).
 *
 * As in the other comparison a batch answers without probabilities, in its favour.
 */

const cluster = require('node:cluster');

const FEATURES = Number(process.env.FEATURES || 30);
const HOST = process.env.HOST || '127.0.0.1';
const PORT = Number(process.env.PORT || 8001);
const PROCESSES = Number(process.env.PROCESSES || 2);
const BODY_LIMIT = 16 * 1024 * 1024;

const row = { type: 'array', items: { type: 'number' }, minItems: FEATURES, maxItems: FEATURES };

const predictSchema = {
  body: { type: 'object', required: ['features'], properties: { features: row } },
  response: {
    200: {
      type: 'object',
      properties: {
        prediction: { type: 'integer' },
        probability: { type: 'number' },
        model_version: { type: 'string' }
      }
    }
  }
};

const batchSchema = {
  body: {
    type: 'object',
    required: ['instances'],
    properties: { instances: { type: 'array', items: row, minItems: 1 } }
  },
  response: {
    200: {
      type: 'object',
      properties: {
        predictions: { type: 'array', items: { type: 'integer' } },
        model_version: { type: 'string' }
      }
    }
  }
};

async function serve() {
  const ort = require('onnxruntime-node');
  const session = await ort.InferenceSession.create(process.env.MODEL_ONNX, {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    interOpNumThreads: 1
  });
  // Numbers are numbers: by default the validator would take "5" for 5.
  const app = require('fastify')({
    bodyLimit: BODY_LIMIT,
    ajv: { customOptions: { coerceTypes: false } }
  });

  app.post('/api/v1/predict', { schema: predictSchema }, async (request) => {
    const values = Float32Array.from(request.body.features);
    const answer = await session.run({ features: new ort.Tensor('float32', values, [1, FEATURES]) });
    return {
      prediction: Number(answer.label.data[0]),
      probability: answer.probabilities.data[1],
      model_version: '1'
    };
  });

  app.post('/api/v1/batch-predict', { schema: batchSchema }, async (request) => {
    const instances = request.body.instances;
    const values = new Float32Array(instances.length * FEATURES);
    instances.forEach((instance, index) => values.set(instance, index * FEATURES));
    const tensor = new ort.Tensor('float32', values, [instances.length, FEATURES]);
    const answer = await session.run({ features: tensor });
    return { predictions: Array.from(answer.label.data, Number), model_version: '1' };
  });

  app.get('/health', async () => ({ status: 'healthy' }));

  await app.listen({ host: HOST, port: PORT });
}

function stop(signal) {
  for (const worker of Object.values(cluster.workers)) worker.kill(signal);
}

if (!process.env.MODEL_ONNX) {
  console.error('server.js: MODEL_ONNX is not set');
  process.exit(2);
} else if (cluster.isPrimary) {
  let stopping = false;
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => { stopping = true; stop(signal); });
  }
  cluster.on('exit', (worker, code) => {
    if (stopping) return;
    console.error(`server.js: a process ended (${code})`);
    process.exitCode = 1;
    stopping = true;
    stop('SIGTERM');
  });
  for (let i = 0; i < PROCESSES; i++) cluster.fork();
} else {
  serve().catch((error) => {
    console.error(error.message);
    process.exit(1);
  });
}
