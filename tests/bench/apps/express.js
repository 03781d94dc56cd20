// Sign-in as one writes it with Express: POST /login gives a token in a cookie, GET /welcome asks
// for it. The cookie and the token in it are over at the same time.
const express = require("express");
const cookieParser = require("cookie-parser");
const jwt = require("jsonwebtoken");

const { SECRET, USERNAME, PASSWORD } = process.env;
const SECONDS = 300;
const rules = { algorithms: ["HS256"], issuer: "postern", audience: "session" };

const app = express();
app.disable("x-powered-by");
app.disable("etag");
app.use(cookieParser());

app.post("/login", express.json(), (req, res) => {
  const { username, password } = req.body || {};
  if (username !== USERNAME || password !== PASSWORD) {
    return res.status(401).json({ message: "Username or password is incorrect" });
  }
  const token = jwt.sign({}, SECRET, {
    algorithm: "HS256", expiresIn: SECONDS, subject: username,
    issuer: rules.issuer, audience: rules.audience,
  });
  res.cookie("token", token, { maxAge: SECONDS * 1000, httpOnly: true, sameSite: "lax" });
  res.json({ message: "Login is successful" });
});

app.get("/welcome", (req, res) => {
  if (!req.cookies.token) return res.status(401).json({ message: "Please login" });
  try {
    jwt.verify(req.cookies.token, SECRET, rules);
  } catch {
    return res.status(400).json({ message: "Authentication error!" });
  }
  res.set("Cache-Control", "no-store").json({ message: "Have a good day" });
});

require("./processes.js")((port) => app.listen(port, "127.0.0.1"));
