"""The review page and its wire: static files, and ReviewService as JSON over HTTP for browsers and curl.

Wiring mounts both on the process's HTTP server:

    http.add_routes(page_routes("streamlabel.review.adapters.web", visitors))
    http.add_routes(connect_routes(REVIEW_SERVICE, servicer, visitors), timeout_s=CALL_LIMIT_S)

Both refuse a request under a name that is not listed (runtime/web/hosts.py says why); probes and metrics beside them answer
whoever asks.

The payload of a task travels inside the JSON of LeaseTasks (bytes in base64) and has no address of its own: nothing
that was sent to be labelled can ever be opened as a document of this origin, and no second route needs the lease's
protection. The page turns the bytes into a blob of a type that it has recognised itself, PNG or JPEG.
"""
