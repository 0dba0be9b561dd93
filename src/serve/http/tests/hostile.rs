//! Clients that are slow, silent, many, or send what they should not.

use super::*;

#[test]
fn oversize_and_odd_requests_are_refused() {
    let shop = Shop::simple();
    let long = "x".repeat(URI_BYTES_MAX);
    shop.get(&format!("/v1/lists/main/bought-together/{long}")).is_error(414, "uri_too_long");
    assert_eq!(shop.get(&format!("/{}", "x".repeat(100_000))).status, 414, "refused below the routes");
    let header = "y".repeat(HEADER_BYTES_MAX);
    shop.send(&format!("GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\nz: {header}\r\n\r\n"))
        .is_error(431, "headers_too_large");
    let headers = "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    shop.send(&format!("{headers}content-length: 2\r\n\r\n{{}}")).is_error(413, "body_not_allowed");
    shop.send(&format!("{headers}content-length: 99999999999\r\n\r\n")).is_error(413, "body_not_allowed");
    shop.send(&format!("{headers}transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"))
        .is_error(413, "body_not_allowed");
    let post = shop.send("POST /v1/lists/main/bought-together/a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    post.is_error(405, "method_not_allowed");
    assert_eq!(post.headers["allow"], "GET, HEAD");
    for path in ["/", "/v1/lists", "/v1/lists/main/bought-together", "/v1/lists/main/bought-together/", "/metrics/x"] {
        shop.get(path).is_error(404, "no_such_route");
    }
    shop.get("/v1/lists/main/bought-together/%FF").is_error(400, "bad_path");
    for query in ["as_of=soon", "as_off=1", "as_of=1&as_of=2"] {
        let json = shop.get(&format!("/v1/counts?{query}")).is_error(400, "bad_query");
        assert!(json["message"].as_str().unwrap().contains("as_of=MS"), "{json}");
    }
}

#[test]
fn a_client_that_sends_a_byte_now_and_then_is_given_up() {
    let limits = Limits { head: Duration::from_millis(200), ..Limits::default() };
    let shop = Shop::open(1, limits, vec![knows]);
    for drip in [false, true] {
        let mut slow = connect(shop.address());
        slow.write_all(b"GET /livez HTTP/1.1\r\nx: ").unwrap();
        slow.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        wait_for("the end of the connection", || {
            let sent = if drip { slow.write_all(b"x") } else { Ok(()) };
            match slow.read(&mut [0; 512]).and_then(|n| sent.map(|()| n)) {
                Ok(n) => n == 0,
                Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
            }
        });
    }
}

#[test]
fn a_worker_that_is_silent_or_gone_is_named() {
    let limits = Limits { answer: Duration::from_millis(20), ..Limits::default() };
    let (queries, receivers): (Queries, Vec<Receiver<Query>>) = queries(1);
    let shop = Shop::with_queries(1, limits, queries, Vec::new());
    shop.health.set(StageName::Rows, Partition(0), PartitionState::Live);
    shop.get("/v1/rows/main/bought-together/x").is_error(504, "timed_out");
    shop.get("/v1/counts").is_error(504, "timed_out");
    for query in receivers[0].try_iter() {
        let wanted = match query {
            Query::Row { reply, .. } => reply.is_wanted(),
            Query::Counts { reply, .. } => reply.is_wanted(),
            Query::Review { reply, .. } => reply.is_wanted(),
            Query::Clicks { reply, .. } => reply.is_wanted(),
        };
        assert!(!wanted, "nobody waits any more");
    }
    let path = "/v1/lists/main/bought-together/x";
    wait_for("a full queue", || shop.get(path).status == 503);
    let busy = shop.get(path);
    assert_eq!((busy.is_error(503, "busy"), &*busy.headers["retry-after"]), (busy.json(), "5"));
    drop(receivers);
    shop.get("/v1/rows/main/bought-together/x").is_error(503, "stopped");
}

#[test]
fn a_stop_ends_idle_connections_and_frees_the_port() {
    let mut shop = Shop::simple();
    let address = shop.address();
    let mut idle = connect(address);
    idle.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).unwrap();
    shop.server.take().unwrap().stop();
    idle.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

/// Clients that connect and send `head`, and then nothing; those that the server closed meanwhile included.
fn still(address: SocketAddr, count: usize, head: &[u8]) -> Vec<TcpStream> {
    let connect = || {
        let mut stream = connect(address);
        let _closed_at_once = stream.write_all(head);
        stream
    };
    std::iter::repeat_with(connect).take(count).collect()
}

#[test]
fn probes_are_answered_however_many_clients_are_idle_or_slow() {
    let shop = Shop::open(1, Limits { connections: 16, ..Limits::default() }, vec![knows]);
    shop.health.set(StageName::Rows, Partition(0), PartitionState::Live);
    let mut clients = Vec::new();
    for head in [&b""[..], b"GET /livez HT", b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"] {
        clients.extend(still(shop.address(), 100, head));
        for path in ["/livez", "/readyz", "/metrics", "/v1/rows/main/bought-together/known"] {
            assert_eq!(shop.get(path).status, 200, "{path}, others have sent {:?}", head.escape_ascii().to_string());
        }
    }
    let text = shop.get("/metrics").body;
    let displaced = text.lines().find_map(|line| line.strip_prefix("samenloop_http_displaced_total ")).unwrap();
    assert!(displaced.parse::<u32>().unwrap() >= 250, "{displaced}");
}

#[test]
fn whoever_waits_for_an_answer_keeps_its_place() {
    let (queries, receivers) = queries(1);
    let shop = Shop::with_queries(1, Limits { connections: 4, ..Limits::default() }, queries, Vec::new());
    shop.health.set(StageName::Rows, Partition(0), PartitionState::Live);
    let mut asking = connect(shop.address());
    asking
        .write_all(b"GET /v1/rows/main/bought-together/known HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .unwrap();
    let question = receivers[0].recv_timeout(PATIENCE).unwrap();
    let _idle = still(shop.address(), 50, b"");
    assert_eq!(shop.get("/livez").status, 200);
    knows(question);
    let mut text = String::new();
    asking.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with(r#""list":"bought-together"}"#), "{text}");
}

#[test]
fn when_all_answers_are_under_way_the_next_is_refused_and_probes_and_scrapes_are_not() {
    let (queries, receivers) = queries(2);
    let shop = Shop::with_queries(1, Limits::default(), queries, Vec::new());
    shop.health.set(StageName::Rows, Partition(0), PartitionState::Live);
    put(&shop, "main/bought-together/a", 1, 1);
    let ask = b"GET /v1/rows/main/bought-together/known HTTP/1.1\r\nhost: x\r\n\r\n";
    let waiting = still(shop.address(), REQUESTS_MAX, ask);
    let questions: Vec<Query> = (0..REQUESTS_MAX).map(|_| receivers[0].recv_timeout(PATIENCE).unwrap()).collect();
    let busy = shop.get("/v1/lists/main/bought-together/a");
    assert_eq!((busy.is_error(503, "busy"), &*busy.headers["retry-after"]), (busy.json(), "5"));
    assert_eq!(["/livez", "/readyz", "/metrics"].map(|path| shop.get(path).status), [200, 200, 200]);
    questions.into_iter().for_each(knows);
    for mut client in waiting {
        client.read_exact(&mut [0; 12]).unwrap();
    }
    assert_eq!(shop.get("/v1/lists/main/bought-together/a").status, 200, "the places came back");
}
