<?php
// Verifies or signs one token, as a page of PHP would: the job is on standard input, as JSON.
// phpseclib reads the keys, the JWK too, and does the mathematics.
require "phpseclib3/autoload.php";

use phpseclib3\Crypt\PublicKeyLoader;
use phpseclib3\Crypt\RSA;
use phpseclib3\Math\BigInteger;

function decoded(string $text): string
{
	return base64_decode(strtr($text, "-_", "+/"));
}

function encoded(string $bytes): string
{
	return rtrim(strtr(base64_encode($bytes), "+/", "-_"), "=");
}

function prepared(object $key, string $alg): object
{
	$key = $key->withHash("sha256");
	return $alg == "RS256" ? $key->withPadding(RSA::SIGNATURE_PKCS1) : $key->withSignatureFormat("Raw");
}

function public_key(array $job, ?string $kid): object
{
	if (isset($job["pem"]))
		return prepared(PublicKeyLoader::load($job["pem"]), $job["alg"]);
	foreach (json_decode(file_get_contents($job["jwks"]), true)["keys"] as $jwk)
		if ($jwk["kid"] == $kid && $jwk["alg"] == $job["alg"])
			return prepared(PublicKeyLoader::load(json_encode($jwk)), $job["alg"]);
	throw new UnexpectedValueException("no such key");
}

function verify(array $job): array
{
	[$head, $body, $made] = explode(".", $job["token"]);
	$header = json_decode(decoded($head), true);
	$claims = json_decode(decoded($body), true);
	$text = "$head.$body";
	$signature = decoded($made);
	if (($header["alg"] ?? "") != $job["alg"])
		throw new UnexpectedValueException("alg");
	if ($job["alg"] == "HS256")
		$good = hash_equals(hash_hmac("sha256", $text, $job["secret"], true), $signature);
	elseif ($job["alg"] == "RS256")
		$good = public_key($job, $header["kid"])->verify($text, $signature);
	else
		$good = strlen($signature) == 64 && public_key($job, $header["kid"])->verify($text, [
			"r" => new BigInteger(substr($signature, 0, 32), 256),
			"s" => new BigInteger(substr($signature, 32), 256)]);
	if (!$good)
		throw new UnexpectedValueException("signature");
	if ($claims["iss"] != $job["issuer"] || $claims["aud"] != $job["audience"] || $claims["exp"] <= time())
		throw new UnexpectedValueException("claims");
	return $claims;
}

function sign(array $job): string
{
	$text = encoded(json_encode(["alg" => $job["alg"], "typ" => "JWT"] + $job["header"])) . "." .
		encoded(json_encode($job["claims"]));
	if ($job["alg"] == "HS256")
		return "$text." . encoded(hash_hmac("sha256", $text, $job["secret"], true));
	$made = prepared(PublicKeyLoader::load($job["pem"]), $job["alg"])->sign($text);
	if ($job["alg"] == "ES256")
		$made = str_pad($made["r"]->toBytes(), 32, "\0", STR_PAD_LEFT) .
			str_pad($made["s"]->toBytes(), 32, "\0", STR_PAD_LEFT);
	return "$text." . encoded($made);
}

$job = json_decode(file_get_contents("php://stdin"), true);
try {
	$answer = ["done" => $job["what"] == "sign" ? sign($job) : verify($job)];
} catch (UnexpectedValueException $error) {
	$answer = ["refused" => $error->getMessage()];
}
echo json_encode($answer), "\n";
