//! The run of a fetch: from URLs to bodies, records, messages and a status.
//!
//! Knows the driver's loop. Invariants: no more transfers than the plan's window are in memory; each
//! URL is counted once, as done, failed or left; whatever happens, the driver and with it the files
//! written aside are dropped before the process ends.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use ringdove::driver::DriverError;
use ringdove::protocol::{UrlFault, take_zone};
use ringdove::sys::{Waker, clock};
use ringdove::{Driver, Message, MultiError, Stats, Time, TransferId};
use url::Url;

use super::delivery::{Delivery, Rules, Ticket, encoded};
use crate::files::output::Output;
use crate::files::refusal::{Refusal, WriteError};
use crate::files::rest::Resume;
use crate::files::source::Pipe;
use crate::files::stream::{SharedStream, Stream};
use crate::files::writers::Writers;
use crate::interrupt::Interrupts;
use crate::options::cookies::{Kept, Shared};
use crate::options::credentials::without_user_information;
use crate::options::existing::ExistingArgs;
use crate::options::fetch::FetchArgs;
use crate::options::values::DriverChoice;
use crate::plan::input::{Entry, Input, Next};
use crate::plan::set::{Plan, Template};
use crate::plan::share::Share;
use crate::plan::whole::{Room, Whole};
use crate::report::console::{Console, Place, printable};
use crate::report::record::{Failure, Record};
use crate::report::tally::{Summary, Tally, joined};
use crate::report::trace::Trace;
use crate::report::write_out::{Told, render};
use crate::status::Status;
use crate::text::guess::with_scheme;
use crate::text::zones;

/// Entries taken before transfers get their turn: junk is passed over faster than it is fetched.
const ENTRIES_PER_TURN: usize = 1024;

/// How long files that are being written may take to become whole after an interrupt.
const GRACE: Duration = Duration::from_secs(5);

pub(super) struct Run {
    driver: Driver,
    /// Which URLs it is about.
    share: Share,
    set: Set,
    /// The sets of options that come after it.
    later: VecDeque<FetchArgs>,
    shared: Shared,
    room: Room,
    writers: Writers,
    kept: Vec<Kept>,
    around: Around,
    interrupts: Interrupts,
    summary: bool,
    /// Failures of transfers are not named.
    mute: bool,
    fail_early: bool,
    running: HashMap<TransferId, Rc<Ticket>>,
    /// Transfers so far.
    given: u64,
    tally: Tally,
    began: Time,
    phase: Phase,
}

/// What a run came to.
pub(super) struct Ended {
    status: Status,
    tally: Tally,
    stats: Stats,
    /// The driver and why it is that one.
    driver: String,
    began: Time,
    /// How many threads it was on.
    threads: usize,
    /// What it came to is told.
    summary: bool,
}

/// What all sets of options have around them.
struct Around {
    console: Rc<Console>,
    waker: Waker,
    verbose: bool,
    trace: Option<Rc<Trace>>,
    lookup_ttl: Duration,
}

/// The set of options whose URLs are being fetched.
struct Set {
    input: Input,
    /// What goes into streams and waits for its turn.
    line: VecDeque<Entry>,
    /// The one whose body goes into a stream.
    streaming: Option<TransferId>,
    /// Which of the set's places the last of these was for.
    streamed: Option<usize>,
    existing: ExistingArgs,
    template: Template,
    output: Output,
    resume: Option<Resume>,
    records: Option<SharedStream>,
    /// What is written after each transfer, and where to.
    write_out: Option<(String, SharedStream)>,
    rules: Rc<Rules>,
    window: usize,
    /// The number of its first URL among all of the run.
    first: usize,
}

/// How far a run has come.
enum Phase {
    /// There may be more URLs.
    Open,
    /// All URLs were taken.
    Ending,
    /// Interrupted: files that are being written may become whole until then.
    Stopping(Time),
}

/// What became of a URL that is fit to be asked for.
enum Added {
    Transfer(TransferId),
    /// Its file is there already.
    Skipped(PathBuf),
}

/// Why a run ends before all transfers did.
enum Halt {
    /// Whoever reads standard output has had enough.
    Unread,
    /// By a signal, and what could be finished is.
    Interrupted,
    /// A transfer has failed, and that is to be the end.
    FailedEarly,
    /// Nothing can go on.
    Broken(String),
}

impl Run {
    pub(super) fn new(
        whole: Whole,
        sets: Vec<FetchArgs>,
        place: Place,
        share: Share,
    ) -> Result<Run, String> {
        let Whole { mut shared, room, .. } = whole;
        let mut later = VecDeque::from(sets);
        let first = later.pop_front().expect("there is at least one set");
        let mut plan = Plan::new(first, &mut shared, &room)?;
        if !share.is_whole() && plan.output.has_stream() {
            return Err(
                "--threads: bodies go into a stream one after the other, and to files (-o, -O, \
                        --output-dir) or nowhere (--discard, --jsonl) by several threads"
                    .to_owned(),
            );
        }
        if !share.is_first() {
            plan.warnings.clear();
        }
        let alone = later.is_empty();
        let shows_progress = !whole.quiet && alone && share.is_whole() && !plan.output.has_stream();
        let console =
            Rc::new(Console::new(place, whole.quiet, shows_progress.then(|| plan.total())));
        for warning in &whole.warnings {
            console.warn(warning);
        }
        let lookup_ttl = whole.config.lookup_ttl;
        let summary = !(whole.quiet || plan.plain && alone);
        let mut driver = match whole.driver {
            DriverChoice::Auto => Driver::auto(whole.config),
            DriverChoice::Only(kind) => Driver::with_ring(kind, whole.config, &whole.ring),
        }
        .map_err(|error: DriverError| error.to_string())?;
        let waker = driver.waker().map_err(|error| error.to_string())?;
        let interrupts = Interrupts::listen(waker.clone())?;
        let (verbose, trace) = (whole.verbose, whole.trace);
        let around = Around { console, waker, verbose, trace, lookup_ttl };
        let (set, kept) = Set::begin(plan, &mut driver, &around, 0)?;
        Ok(Run {
            driver,
            share,
            set,
            later,
            shared,
            room,
            writers: Writers::default(),
            kept: vec![kept],
            around,
            interrupts,
            summary,
            mute: whole.mute,
            fail_early: whole.fail_early,
            running: HashMap::new(),
            given: 0,
            tally: Tally::new(),
            began: clock::now(),
            phase: Phase::Open,
        })
    }

    /// Goes on to the next set of options, once all transfers of the one before are over.
    fn next_set(&mut self, args: FetchArgs) -> Result<(), Halt> {
        let plan = Plan::new(args, &mut self.shared, &self.room).map_err(Halt::Broken)?;
        let first = self.set.input.next_number();
        let begun = Set::begin(plan, &mut self.driver, &self.around, first);
        let (set, kept) = begun.map_err(Halt::Broken)?;
        self.set = set;
        self.kept.push(kept);
        self.phase = Phase::Open;
        Ok(())
    }

    /// Does all of it.
    pub(super) fn end(mut self) -> Ended {
        let result = self.work().map_err(|halt| self.leave_rest(halt));
        self.around.console.end_progress();
        let unwritten: Vec<_> = self.kept.iter().flat_map(Kept::write).collect();
        for failure in &unwritten {
            self.around.console.fail(failure);
        }
        let status = match result {
            Ok(()) if self.tally.failed() > 0 || !unwritten.is_empty() => Status::SomeFailed,
            Ok(()) => Status::Done,
            Err(Halt::Unread) => {
                for _ in self.running.drain() {
                    self.tally.add_left();
                }
                // whoever has read enough of bodies knows it
                if self.set.records.is_some() || self.set.write_out.is_some() {
                    self.tell_left("nobody reads standard output");
                }
                Status::Unread
            }
            Err(Halt::FailedEarly) => {
                self.tell_left("--fail-early");
                Status::SomeFailed
            }
            Err(Halt::Interrupted) => {
                self.tell_left("interrupted");
                Status::Interrupted(self.interrupts.last())
            }
            Err(Halt::Broken(reason)) => {
                self.around.console.fail(&reason);
                Status::SomeFailed
            }
        };
        Ended {
            status,
            stats: self.driver.stats(),
            driver: format!("{} ({})", self.driver.kind(), self.driver.why()),
            began: self.began,
            threads: 1,
            summary: self.summary,
            tally: self.tally,
        }
    }

    fn work(&mut self) -> Result<(), Halt> {
        loop {
            let more = self.take_entries()?;
            let stopping = matches!(self.phase, Phase::Stopping(_));
            let waiting = !self.set.line.is_empty() && !stopping;
            if self.running.is_empty() && !waiting && !matches!(self.phase, Phase::Open) {
                self.flush()?;
                match self.phase {
                    Phase::Open | Phase::Ending => match self.later.pop_front() {
                        Some(args) => self.next_set(args)?,
                        None => return Ok(()),
                    },
                    Phase::Stopping(_) => return Ok(()),
                }
                continue;
            }
            self.feed()?;
            self.driver.turn(self.longest_wait(more)).map_err(Halt::from)?;
            while let Some(message) = self.driver.next_message() {
                self.take_message(message)?;
            }
            self.flush()?;
            self.around.console.progress(&self.tally);
            self.heed_interrupts()?;
        }
    }

    /// Has a body that is read from a pipe go on, if there is more of it.
    fn feed(&mut self) -> Result<(), Halt> {
        if self.set.template.pipe().is_some_and(Pipe::has_more) {
            for &id in self.running.keys() {
                self.driver.resume(id)?;
            }
        }
        Ok(())
    }

    /// How long to wait for something to happen. `more`: there is something to do at once.
    fn longest_wait(&self, more: bool) -> Option<Duration> {
        match self.phase {
            _ if more => Some(Duration::ZERO),
            Phase::Stopping(until) => Some(until.since(clock::now())),
            Phase::Open | Phase::Ending => None,
        }
    }

    // what comes in

    /// Adds transfers as far as there is room. Says whether there is more to be taken at once.
    fn take_entries(&mut self) -> Result<bool, Halt> {
        self.take_from_line()?;
        if !matches!(self.phase, Phase::Open) {
            return Ok(false);
        }
        for _ in 0..ENTRIES_PER_TURN {
            if self.running.len() >= self.set.window {
                return Ok(false);
            }
            match self.set.input.next() {
                // another thread has it
                Next::Entry(entry) if !self.is_ours(&entry) => {}
                Next::Entry(entry) => match self.set.output.stream(self.set.place(&entry)) {
                    Some(_) => {
                        self.set.line.push_back(entry);
                        self.take_from_line()?;
                    }
                    None => self.take_entry(entry, None)?,
                },
                Next::Wait => return Ok(false),
                Next::End => {
                    self.phase = Phase::Ending;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn is_ours(&self, entry: &Entry) -> bool {
        self.share.has(&entry.text, self.set.template.default_scheme())
    }

    /// Adds what goes into a stream, if nothing else does and the stream is open.
    fn take_from_line(&mut self) -> Result<(), Halt> {
        while self.set.streaming.is_none() && !matches!(self.phase, Phase::Stopping(_)) {
            let next = self.set.line.front().map(|entry| self.set.place(entry));
            let is_known = next.is_some() || matches!(self.phase, Phase::Ending);
            // what nothing more goes into comes to its end before another is opened
            if let Some(last) = self.set.streamed.take_if(|last| is_known && next != Some(*last)) {
                self.set.output.release(last);
            }
            let Some(place) = next.filter(|_| self.running.len() < self.set.window) else {
                return Ok(());
            };
            let stream = self.set.output.stream(place).expect("what waits in line has a stream");
            let opened = stream.borrow_mut().is_open(&self.around.waker);
            if let Ok(false) = opened {
                return Ok(());
            }
            let entry = self.set.line.pop_front().expect("there is a first one");
            let refusal = opened.err().map(|error| Failure::of_place(Refusal::Write(error)));
            self.set.streamed = Some(place);
            self.take_entry(entry, refusal)?;
        }
        Ok(())
    }

    /// Begins a transfer, unless that is refused already.
    fn take_entry(&mut self, entry: Entry, refusal: Option<Failure>) -> Result<(), Halt> {
        let place = self.set.place(&entry);
        let Entry { line, text, problem, number, globs } = entry;
        let full = match problem {
            None => with_scheme(&text, self.set.template.default_scheme()),
            Some(problem) => Err(problem),
        };
        let (full, problem) = match full {
            Ok(full) => (full, None),
            Err(problem) => (Cow::Borrowed(text.as_str()), Some(problem)),
        };
        let url = without_user_information(&full).into_owned();
        let guessed = matches!(full, Cow::Owned(_));
        let ticket =
            Rc::new(Ticket { line, url, guessed, number, id: self.given, begun: false.into() });
        self.given += 1;
        let added = match (problem, refusal) {
            (None, None) => self.add(&full, &ticket, &globs),
            (Some(problem), _) => Err(Failure::of_input(format!("bad URL: {problem}"))),
            (None, Some(refusal)) => Err(refusal),
        };
        match added {
            Ok(Added::Skipped(path)) => self.skip(&ticket, &path),
            Ok(Added::Transfer(id)) => {
                self.running.insert(id, ticket);
                if self.set.output.stream(place).is_some() {
                    self.set.streaming = Some(id);
                }
                Ok(())
            }
            Err(failure) => self.refuse(&ticket, &failure),
        }
    }

    /// Tells of a URL of which no transfer came.
    fn refuse(&mut self, ticket: &Ticket, failure: &Failure) -> Result<(), Halt> {
        self.tell(&Told {
            url: &ticket.url,
            given: ticket.given(),
            method: self.set.template.method.as_str(),
            report: None,
            version: None,
            content_type: None,
            location: None,
            head_bytes: 0,
            file: None,
            fields: &[],
            number: ticket.number,
            referer: self.set.template.referer(),
            failure: Some(failure),
        })?;
        let record = Record::without_transfer(&ticket.url, ticket.line);
        self.count_failed(ticket, failure, record)
    }

    fn add(&mut self, text: &str, ticket: &Rc<Ticket>, globs: &[String]) -> Result<Added, Failure> {
        let text = zones::numbered(text).map_err(Failure::of_input)?;
        let (text, scope) = take_zone(&text).map_err(|why| Failure::of_input(why.to_string()))?;
        let url = Url::parse(&text)
            .map_err(|why| Failure::of_input(format!("bad URL: {}", UrlFault::from(why))))?;
        let place = ticket.number - self.set.first;
        let Run { set, driver, .. } = self;
        let request = set.template.request(&url, &text, place, || driver.files());
        let request = request.map_err(Failure::of_input)?.scope(scope);
        let mut sink = self.set.output.sink(&url, place, globs).map_err(Failure::of_input)?;
        if let Some(path) = sink.path() {
            let refused = self.set.rules.reserved.refuse(path);
            refused.map_err(|why| Failure::of_place(Refusal::Write(WriteError::new(path, why))))?;
        }
        if self.set.existing.skip_existing
            && let Some(path) = sink.existing()
        {
            return Ok(Added::Skipped(path.to_owned()));
        }
        sink = sink.clobbering(self.set.existing.clobber());
        if let Some(resume) = &self.set.resume {
            sink = sink.resumed(resume, &self.writers).map_err(Failure::of_place)?;
        }
        let request = sink.ask(request).map_err(|error| Failure::of_input(error.to_string()))?;
        let body = self.set.template.body_length(place);
        let head = match self.around.verbose {
            true => encoded(request.head(), body),
            false => Vec::new(),
        };
        let (ticket, rules) = (Rc::clone(ticket), Rc::clone(&self.set.rules));
        let files = sink.is_file().then(|| self.driver.files());
        let added = self.driver.add_with(request, |id| {
            let sink = match files {
                Some(files) => sink.of(files, id),
                None => sink,
            };
            Delivery::new(ticket, rules, sink, body, head)
        });
        added.map(Added::Transfer).map_err(|error| match error {
            MultiError::Tls(error) => Failure::of_tls(error.to_string()),
            error => Failure::of_input(error.to_string()),
        })
    }

    /// Tells of a URL that is not asked for.
    fn skip(&mut self, ticket: &Ticket, path: &Path) -> Result<(), Halt> {
        self.tally.add_skipped();
        if self.around.verbose {
            let (url, path) = (printable(ticket.url.as_bytes()), path.display());
            self.around.console.say(&format!("* {url}: skipped, as {path} is there already"));
        }
        let record = Record::without_transfer(&ticket.url, ticket.line);
        self.write(&Record { file: Some(path.to_string_lossy()), ..record })
    }

    // what comes out

    fn take_message(&mut self, message: Message) -> Result<(), Halt> {
        self.running.remove(&message.transfer);
        self.set.streaming.take_if(|id| *id == message.transfer);
        let (outcome, delivery) =
            message.into_parts::<Delivery>().expect("all handlers are deliveries");
        let ticket = Rc::clone(&delivery.ticket);
        let delivered = delivery.finish(&outcome);
        if delivered.unread {
            return Err(Halt::Unread);
        }
        let report = &outcome.report;
        self.tally.add_bytes(report);
        let file = delivered.file.as_deref().map(Path::to_string_lossy);
        let record = Record {
            http_version: delivered.version,
            file: file.clone(),
            ..Record::of_report(&ticket.url, ticket.line, report)
        };
        let told = Told {
            url: &ticket.url,
            given: ticket.given(),
            method: self.set.template.method.as_str(),
            report: Some(report),
            version: delivered.version,
            content_type: delivered.content_type.as_deref(),
            location: delivered.location.as_deref(),
            head_bytes: delivered.head_bytes,
            file: file.as_deref(),
            fields: &delivered.fields,
            number: ticket.number,
            referer: self.set.template.referer(),
            failure: delivered.failure.as_ref(),
        };
        self.tell(&told)?;
        // with records, these are the place for it
        if let Some(undecoded) = report.undecoded.as_ref().filter(|_| self.set.records.is_none()) {
            self.around.console.warn(&format!("{ticket}: {undecoded}"));
        }
        if let Some(failure) = &delivered.failure {
            return self.count_failed(&ticket, failure, record);
        }
        self.tally.add_done(report);
        if let Some(trace) = &self.around.trace {
            trace.info(ticket.id, &format!("{}: {}", ticket.url, record.told(report)));
        }
        if self.around.verbose {
            let url = printable(ticket.url.as_bytes());
            if let Some(attempts) = &report.attempts {
                self.around.console.say(&format!("* {url}: tried {attempts}"));
            }
            self.around.console.say(&format!("* {url}: {}", record.told(report)));
        }
        self.write(&record)
    }

    fn count_failed(
        &mut self,
        ticket: &Ticket,
        failure: &Failure,
        record: Record<'_>,
    ) -> Result<(), Halt> {
        self.tally.add_failed(failure.kind);
        if let Some(trace) = &self.around.trace {
            trace.info(ticket.id, &format!("{}: {}", ticket.url, failure.message));
        }
        // with records, these are the place for it
        if self.set.records.is_none() && !self.mute {
            self.around.console.fail(&format!("{ticket}: {}", failure.message));
        }
        self.write(&Record { error: Some(failure), ..record })?;
        if self.fail_early { Err(Halt::FailedEarly) } else { Ok(()) }
    }

    fn write(&mut self, record: &Record<'_>) -> Result<(), Halt> {
        let Some(records) = &self.set.records else { return Ok(()) };
        records.borrow_mut().write(&record.to_line()).map_err(Halt::from)
    }

    /// Writes what -w says of a transfer.
    fn tell(&self, told: &Told<'_>) -> Result<(), Halt> {
        let Some((format, stream)) = &self.set.write_out else { return Ok(()) };
        let rendered = render(format, told);
        for name in &rendered.unknown {
            self.around.console.warn(&format!("-w: no variable '{}'", printable(name.as_bytes())));
        }
        self.around.console.write(&rendered.error);
        let mut stream = stream.borrow_mut();
        stream.write(rendered.output.as_bytes())?;
        stream.flush().map_err(Halt::from)
    }

    /// Lets readers have what there is.
    fn flush(&mut self) -> Result<(), Halt> {
        if let Some(records) = &self.set.records {
            records.borrow_mut().flush()?;
        }
        if let Some(trace) = &self.around.trace
            && let Some(why) = trace.flush()
        {
            self.around.console.fail(&why);
        }
        match self.set.output.flush() {
            Err(error) if error.is_unread() => Err(Halt::Unread),
            // what could not be written stays, and its transfer will meet the error
            Err(_) | Ok(()) => Ok(()),
        }
    }

    // interrupts

    fn heed_interrupts(&mut self) -> Result<(), Halt> {
        let over = match (self.interrupts.count(), &self.phase) {
            (0, _) => return Ok(()),
            (1, Phase::Open | Phase::Ending) => return self.stop(),
            (1, Phase::Stopping(until)) => self.running.is_empty() || clock::now() >= *until,
            _ => true,
        };
        if !over {
            return Ok(());
        }
        self.give_up_all("interrupted")?;
        Err(Halt::Interrupted)
    }

    /// Gives up what is under way, where the run ends for a failure.
    fn leave_rest(&mut self, halt: Halt) -> Halt {
        match halt {
            Halt::FailedEarly => match self.give_up_all("given up (--fail-early)") {
                Ok(()) => Halt::FailedEarly,
                Err(halt) => halt,
            },
            Halt::Unread | Halt::Interrupted | Halt::Broken(_) => halt,
        }
    }

    fn give_up_all(&mut self, why: &str) -> Result<(), Halt> {
        let ids: Vec<_> = self.running.keys().copied().collect();
        ids.into_iter().try_for_each(|id| self.give_up(id, why))
    }

    /// Begins nothing more, and gives up all but files that are being written.
    fn stop(&mut self) -> Result<(), Halt> {
        let files = self.set.output.writes_files();
        let in_vain = self.running.iter().filter(|(_, ticket)| !(files && ticket.begun.get()));
        for id in in_vain.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.give_up(id, "interrupted")?;
        }
        if self.running.is_empty() {
            return Err(Halt::Interrupted);
        }
        let count = self.running.len();
        self.around.console.fail(&format!(
            "interrupted; {count} files that are being written have {GRACE:?} to become whole, or \
             until the next interrupt"
        ));
        self.phase = Phase::Stopping(clock::now() + GRACE);
        Ok(())
    }

    fn give_up(&mut self, id: TransferId, why: &str) -> Result<(), Halt> {
        let Some(ticket) = self.running.remove(&id) else { return Ok(()) };
        // the handler goes, and with it what it has written aside
        match self.driver.remove(id) {
            // what is over already, and was not told, is given up all the same
            Ok(_) | Err(MultiError::UnknownTransfer(_)) => {}
            Err(error) => return Err(error.into()),
        }
        self.set.streaming.take_if(|streaming| *streaming == id);
        self.tally.add_left();
        let failure = Failure::interrupted(why, ticket.begun.get());
        let record = Record::without_transfer(&ticket.url, ticket.line);
        self.write(&Record { error: Some(&failure), ..record })
    }

    fn tell_left(&self, why: &str) {
        if !self.share.is_whole() {
            // it is told for all together
            return;
        }
        let mut left = format!("{} transfers given up", self.tally.left());
        let (arguments, line) = self.set.input.left();
        let arguments = arguments + self.set.line.len() as u64;
        if arguments > 0 {
            left += &format!(", {arguments} URLs of the command line not begun");
        }
        if !self.later.is_empty() {
            left += &format!(", {} sets of options (--next) not begun", self.later.len());
        }
        if let Some(line) = line {
            left += &format!(", the input after line {line} not begun");
        }
        self.around.console.fail(&format!("{why}: {left}"));
    }
}

impl Ended {
    /// With what another thread's came to.
    pub(super) fn join(mut self, other: Ended) -> Ended {
        self.status = worse(self.status, other.status);
        self.tally.join(&other.tally);
        self.stats = joined(self.stats, &other.stats);
        self.began = self.began.min(other.began);
        self.threads += other.threads;
        self
    }

    /// Says what it came to.
    pub(super) fn tell(self, place: Place) -> Status {
        let Ended { status, tally, stats, mut driver, began, threads, summary } = self;
        let console = Console::new(place, true, None);
        if threads > 1 {
            driver += &format!(", on {threads} threads");
            let why = match status {
                Status::Interrupted(_) => Some("interrupted"),
                Status::Unread => Some("nobody reads standard output"),
                Status::Done | Status::SomeFailed | Status::Usage => None,
            };
            if let Some(why) = why {
                let left = tally.left();
                console.fail(&format!("{why}: {left} transfers given up, and URLs not begun"));
            }
        }
        if summary {
            let elapsed = clock::now().since(began);
            console.say(&Summary { tally: &tally, elapsed, stats, driver }.to_string());
        }
        status
    }
}

/// What is told of two threads: what ended either before its time, then what failed.
fn worse(one: Status, other: Status) -> Status {
    let rank = |status: Status| match status {
        Status::Done => 0,
        Status::SomeFailed => 1,
        Status::Usage => 2,
        Status::Unread => 3,
        Status::Interrupted(_) => 4,
    };
    if rank(other) > rank(one) { other } else { one }
}

impl Set {
    /// Begins to read the URLs of a plan, and does for it what is to be done before any transfer.
    fn begin(
        plan: Plan,
        driver: &mut Driver,
        around: &Around,
        first: usize,
    ) -> Result<(Set, Kept), String> {
        let Around { console, waker, .. } = around;
        for warning in &plan.warnings {
            console.warn(warning);
        }
        for entry in plan.resolve {
            entry.apply(&mut driver.settings(), clock::now(), around.lookup_ttl);
        }
        let input = Input::start(plan.urls, plan.input, first, waker.clone())?;
        if let Some(pipe) = plan.template.pipe() {
            pipe.start(waker.clone())?;
        }
        let write_out = match plan.write_out {
            Some(format) => Some((format, Stream::create(Path::new("-"), false)?)),
            None => None,
        };
        let rules = Rules {
            console: Rc::clone(console),
            heads: plan.heads,
            no_bodies: plan.no_bodies,
            dump: plan.dump,
            content_type: write_out.is_some(),
            etag_save: plan.etag_save,
            condition: plan.condition,
            fail: plan.fail,
            remove_on_error: plan.existing.remove_on_error,
            reserved: plan.reserved,
            verbose: around.verbose,
            trace: around.trace.clone(),
            schemes: plan.template.schemes(),
            unusable: Rc::clone(plan.template.unusable()),
            idempotent: plan.template.method.is_idempotent(),
        };
        let set = Set {
            input,
            line: VecDeque::new(),
            streaming: None,
            streamed: None,
            existing: plan.existing,
            template: plan.template,
            output: plan.output,
            resume: plan.resume,
            records: plan.records,
            write_out,
            rules: Rc::new(rules),
            window: plan.window,
            first,
        };
        Ok((set, plan.kept))
    }

    /// Which of the set's places the body of a URL goes to, from 0 on.
    fn place(&self, entry: &Entry) -> usize {
        entry.number - self.first
    }
}

impl From<MultiError> for Halt {
    fn from(error: MultiError) -> Halt {
        Halt::Broken(error.to_string())
    }
}

impl From<WriteError> for Halt {
    fn from(error: WriteError) -> Halt {
        if error.is_unread() { Halt::Unread } else { Halt::Broken(error.to_string()) }
    }
}
