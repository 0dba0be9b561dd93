//! The demonstration's main thread: endpoint up, worker off, then the screen until the summary.

use super::DemoArgs;
use super::backroom::Backroom;
use super::live::{Live, has_colours};
use super::plan::Plan;
use super::summary;
use super::worker::{Picture, Show, Worker, open};
use crate::cli::output::stdout;
use crate::cli::{UsageError, serving, signals, telemetry};
use crate::config::Settings;
use crate::watch::now_ms;
use anyhow::bail;
use console::Term;
use std::io::Write as _;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, LazyLock};
use std::thread;

/// Set by Ctrl-C.
static STOP: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

pub(super) fn run(args: &DemoArgs, settings: &Settings) -> anyhow::Result<()> {
    if args.stay && !settings.http.enabled {
        bail!(UsageError("--stay keeps the HTTP endpoint up, but http.enabled is false: leave one out".to_owned()));
    }
    let live = telemetry::shows_progress(settings.log).then(|| Live::new(Term::buffered_stdout())).flatten();
    let plan = Plan::new(args, live.is_some(), now_ms());
    let backroom = Backroom::open(&plan, settings)?;
    let mut pipeline = open(settings, backroom.as_ref())?;
    let mut state = pipeline.serve(serving::published_lists(settings));
    state.recommending = serving::recommending(settings, backroom.as_ref().map(Backroom::facts));
    let server = serving::start(settings, state, args.listen.is_none())?;
    signals::stop_at_signal(&STOP)?;
    let show = Show {
        plan,
        without: args.without.clone(),
        stay: args.stay,
        url: server.as_ref().map(|server| format!("http://{}", server.address())),
        frames: live.is_some(),
    };
    let (screen, pictures) = sync_channel(1);
    let worker = Worker { show, settings, backroom, pipeline, screen, stop: &STOP };
    // The stages stay in this thread; who shows has one of its own, so a slow terminal makes pictures rarer, never them slower.
    thread::scope(|scope| {
        let screen = thread::Builder::new().name("screen".to_owned());
        let screen = screen.spawn_scoped(scope, move || show_all(live, &pictures))?;
        let ended = worker.run();
        let Ok(shown) = screen.join() else { bail!("the screen panicked; see above") };
        ended.and(shown)
    })
}

/// Shows pictures until the worker has none.
fn show_all(mut live: Option<Live>, pictures: &Receiver<Picture>) -> anyhow::Result<()> {
    while let Ok(picture) = pictures.recv() {
        match picture {
            Picture::Frame(frame) => {
                if let Some(live) = &mut live {
                    live.draw(&frame)?;
                }
            }
            Picture::Summary(summary) => {
                if let Some(live) = live.take() {
                    live.finish()?;
                }
                print(&summary)?;
            }
        }
    }
    Ok(())
}

fn print(summary: &summary::Summary) -> anyhow::Result<()> {
    let term = Term::stdout();
    let width = if term.is_term() { usize::from(term.size().1).saturating_sub(1) } else { usize::MAX };
    let coloured = has_colours(&term);
    let mut out = stdout();
    for line in summary::render(summary, width) {
        writeln!(out, "{}", if coloured { line.coloured() } else { line.plain() })?;
    }
    out.flush()?;
    Ok(())
}
