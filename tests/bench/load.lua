-- For wrk: requests with the cookies of a file, a line each, in turn.
local requests, at = {}, 0

function init(arguments)
	for cookie in io.lines(arguments[1]) do
		local headers = { ["Host"] = wrk.headers["Host"], ["Cookie"] = cookie }
		requests[#requests + 1] = wrk.format("GET", nil, headers)
	end
end

function request()
	at = at % #requests + 1
	return requests[at]
end
