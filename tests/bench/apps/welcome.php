<?php
// The page in PHP: the same cookie, HS256, checked by hand.
function claims(string $token): ?array
{
    $parts = explode(".", $token);
    if (count($parts) !== 3)
        return null;
    [$head, $body, $signature] = $parts;
    $right = hash_hmac("sha256", "$head.$body", getenv("SECRET"), true);
    if (!hash_equals($right, (string)base64_decode(strtr($signature, "-_", "+/"), true)))
        return null;
    $header = json_decode((string)base64_decode(strtr($head, "-_", "+/"), true), true);
    $claims = json_decode((string)base64_decode(strtr($body, "-_", "+/"), true), true);
    if (($header["alg"] ?? "") !== "HS256")
        return null;
    if (!is_int($claims["exp"] ?? null) || $claims["exp"] <= time())
        return null;
    if (($claims["iss"] ?? "") !== "postern" || ($claims["aud"] ?? "") !== "session")
        return null;
    return $claims;
}

header("Content-Type: application/json; charset=utf-8");
header("Cache-Control: no-store");
if (!isset($_COOKIE["token"])) {
    http_response_code(401);
    echo json_encode(["message" => "Please login"]);
} elseif (claims($_COOKIE["token"]) === null) {
    http_response_code(400);
    echo json_encode(["message" => "Authentication error!"]);
} else {
    echo json_encode(["message" => "Have a good day"]);
}
