// Verifies or signs one token with jose or jsonwebtoken: the job is on standard input, as JSON.
import { createPrivateKey, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import * as jose from "jose";
import jsonwebtoken from "jsonwebtoken";

const job = JSON.parse(readFileSync(0, "utf8"));
const { alg, issuer, audience, secret, pem, jwks } = job;
const wanted = { algorithms: [alg], issuer, audience };
const bytes = secret && new TextEncoder().encode(secret);

async function chosen() {
	const { kid } = jsonwebtoken.decode(job.token, { complete: true }).header;
	const { keys } = await (await fetch(jwks)).json();
	return createPublicKey({ key: keys.find((key) => key.kid === kid), format: "jwk" });
}

const jobs = {
	jose: {
		async verify() {
			const key = bytes || (jwks ? jose.createRemoteJWKSet(new URL(jwks)) : await jose.importSPKI(pem, alg));
			return (await jose.jwtVerify(job.token, key, wanted)).payload;
		},
		async sign() {
			const key = bytes || (await jose.importPKCS8(pem, alg));
			return new jose.SignJWT(job.claims).setProtectedHeader({ alg, ...job.header }).sign(key);
		},
		thumbprints() {
			return Promise.all(job.keys.map((key) => jose.calculateJwkThumbprint(key, "sha256")));
		},
	},
	jsonwebtoken: {
		async verify() {
			return jsonwebtoken.verify(job.token, secret || (jwks ? await chosen() : pem), wanted);
		},
		async sign() {
			const key = secret || createPrivateKey(pem);
			return jsonwebtoken.sign(job.claims, key, { algorithm: alg, header: job.header });
		},
	},
};

let answer;
try {
	answer = { done: await jobs[job.library][job.what]() };
} catch (error) {
	if (!(error instanceof jose.errors.JOSEError || error instanceof jsonwebtoken.JsonWebTokenError)) throw error;
	answer = { refused: error.message };
}
console.log(JSON.stringify(answer));
