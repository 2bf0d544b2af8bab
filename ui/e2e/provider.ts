/** A real OpenID provider (the package oidc-provider), with TLS, on a port of loopback. */
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Provider from 'oidc-provider';
import { freePort } from './program';

export const clientId = 'tierwall-manager';

export interface RunningProvider {
  issuer: string;
  /** What to check its certificate with. */
  caFile: string;
  /** The parameters of each request for a login, the newest last. */
  asked: URLSearchParams[];
  /** With this the provider tells where it would send the browser back to, instead of doing it. */
  hold: boolean;
  /** How many codes were exchanged for tokens. */
  exchanged: number;
  stop: () => void;
}

/** Starts a provider that knows one client, the Manager at this address, and takes whatever name is typed. */
export async function startProvider(manager: string): Promise<RunningProvider> {
  const dir = mkdtempSync(join(tmpdir(), 'tierwall-oidc-'));
  const [caFile, keyFile] = [join(dir, 'provider.crt'), join(dir, 'provider.key')];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=provider', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', keyFile, '-out', caFile], { stdio: 'ignore' });
  const issuer = `https://127.0.0.1:${await freePort()}`;
  const signing = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
  const provider = new Provider(issuer, {
    clients: [{ client_id: clientId, token_endpoint_auth_method: 'none', redirect_uris: [`${manager}/login/oidc/callback`], grant_types: ['authorization_code'], response_types: ['code'] }],
    // The group is asked for with openid itself, and stands in the ID token, where the API server looks for it.
    claims: { openid: ['sub', 'groups'] },
    conformIdTokenClaims: false,
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, groups: ['team'] }) }),
    pkce: { required: () => true },
    jwks: { keys: [{ ...signing, alg: 'RS256', use: 'sig', kid: 'one' }] },
    cookies: { keys: ['of-this-test'] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    // What the user agrees to is not asked: it is a provider of one's own.
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client?.clientId ?? '', accountId: ctx.oidc.session?.accountId ?? '' });
      grant.addOIDCScope('openid');
      await grant.save();
      return grant;
    },
  });
  const running: RunningProvider = { issuer, caFile, asked: [], hold: false, exchanged: 0, stop: () => {} };
  provider.on('grant.success', () => { running.exchanged++; });
  const others = provider.callback();
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '/', issuer);
    if (url.pathname === '/auth') running.asked.push(url.searchParams);
    if (running.hold) holdBack(response);
    if (!url.pathname.startsWith('/interaction/')) return others(request, response);
    if (request.method !== 'POST') {
      response.setHeader('content-type', 'text/html; charset=utf-8');
      response.end('<!doctype html><html lang="en"><title>Provider</title><main><h1>Who are you?</h1><form method="post"><label>Name <input name="name" required></label> <button>Go on</button></form></main></html>');
      return;
    }
    const name = new URLSearchParams(await textOf(request)).get('name') ?? '';
    await provider.interactionFinished(request, response, { login: { accountId: name } }, { mergeWithLastSubmission: false });
  };
  const server = createServer({ key: readFileSync(keyFile), cert: readFileSync(caFile) }, (request, response) => void serve(request, response).catch((thrown: unknown) => response.writeHead(500).end(String(thrown))));
  await new Promise<void>((done, failed) => server.once('error', failed).listen(Number(new URL(issuer).port), '127.0.0.1', done));
  running.stop = () => {
    server.closeAllConnections();
    server.close();
    rmSync(dir, { recursive: true, force: true });
  };
  return running;
}

/** Makes a page of a redirect to the Manager, with the address in it. */
function holdBack(response: ServerResponse): void {
  const end = response.end.bind(response);
  response.end = ((...all: unknown[]) => {
    const to = String(response.getHeader('location') ?? '');
    if (!to.includes('/login/oidc/callback')) return (end as (...all: unknown[]) => ServerResponse)(...all);
    for (const name of ['location', 'content-length']) response.removeHeader(name);
    response.statusCode = 200;
    response.setHeader('content-type', 'text/plain');
    return end(to);
  }) as typeof response.end;
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of request) text += String(part);
  return text;
}
