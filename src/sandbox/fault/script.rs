//! Which request meets which fault.

use super::Fault;
use crate::sandbox::port::{Gate, Order};
use crate::sandbox::provider::Provider;
use crate::sandbox::routes;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Faults in the order in which requests are to meet them.
///
/// Requests of other operations pass it by; once it is used up, all do.
#[derive(Clone, Debug)]
#[must_use = "a script does nothing until it is given to `Faults::script`"]
pub struct Script {
    operation: Option<String>,
    steps: VecDeque<Scene>,
}

#[derive(Clone, Debug)]
struct Scene {
    fault: Option<Fault>,
    left: u64,
}

impl Script {
    /// A script for one operation, by the `operationId` of the service's specification (`post_message`), which is also
    /// the `id` of its [`Operation`](crate::Operation). Besides those of its specification Chatwork has `oauth_token`,
    /// `oauth_consent` and `download_file`.
    pub fn on(operation: impl Into<String>) -> Self {
        Self { operation: Some(operation.into()), steps: VecDeque::new() }
    }

    /// A script for every request.
    pub fn any() -> Self {
        Self { operation: None, steps: VecDeque::new() }
    }

    /// The next request meets this fault.
    pub fn then(mut self, fault: Fault) -> Self {
        self.steps.push_back(Scene { fault: Some(fault), left: 1 });
        self
    }

    /// The next `requests` are served as usual.
    pub fn pass(mut self, requests: u64) -> Self {
        self.steps.push_back(Scene { fault: None, left: requests });
        self
    }

    /// Repeats the fault given last, so that it strikes `times` times in all; 0 takes it out.
    ///
    /// # Panics
    ///
    /// If none was given yet.
    pub fn times(mut self, times: u64) -> Self {
        let last = self.steps.back_mut().filter(|scene| scene.fault.is_some());
        last.expect("a fault comes before how often it strikes: `.then(…).times(n)`").left = times;
        self
    }

    /// Repeats the fault given last until the faults are cleared. Panics as [`times`](Self::times) does.
    pub fn forever(self) -> Self {
        self.times(u64::MAX)
    }

    fn matches(&self, operation: Option<&str>) -> bool {
        self.operation.is_none() || self.operation.as_deref() == operation
    }

    /// The fault of the next scene, if any scene is left.
    fn next(&mut self) -> Option<Option<Fault>> {
        loop {
            let scene = self.steps.front_mut()?;
            if scene.left == 0 {
                self.steps.pop_front();
                continue;
            }
            scene.left -= 1;
            return Some(scene.fault.clone());
        }
    }
}

/// Faults that strike by chance, from the sandbox's seed.
#[derive(Clone, Debug)]
#[must_use = "chaos does nothing until it is given to `Faults::chaos`"]
pub struct Chaos {
    probability: f64,
    faults: Vec<Fault>,
    operations: Vec<String>,
}

impl Chaos {
    /// Each request meets a fault with this probability.
    ///
    /// # Panics
    ///
    /// If it is not from 0 to 1.
    pub fn new(probability: f64) -> Self {
        assert!((0.0..=1.0).contains(&probability), "a probability is from 0 to 1, not {probability}");
        Self { probability, faults: Vec::new(), operations: Vec::new() }
    }

    /// One of the faults to choose from, each as likely as the others. A fault given twice is twice as likely.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Strikes only at this operation, by its `operationId`; given several times, at each of them.
    pub fn on(mut self, operation: impl Into<String>) -> Self {
        self.operations.push(operation.into());
        self
    }

    fn draw(&self, operation: Option<&str>, rng: &mut fastrand::Rng) -> Option<Fault> {
        let meant = self.operations.is_empty()
            || operation.is_some_and(|operation| self.operations.iter().any(|name| name == operation));
        if !meant || rng.f64() >= self.probability {
            return None;
        }
        rng.choice(&self.faults).cloned()
    }
}

/// The faults of a sandbox.
#[derive(Clone, Debug)]
pub struct Faults {
    picker: FaultPicker,
    gates: BTreeMap<Provider, Gate>,
}

impl Faults {
    pub(crate) fn new(picker: FaultPicker, gates: BTreeMap<Provider, Gate>) -> Self {
        Self { picker, gates }
    }

    /// Adds a script. Of several that mean a request, the oldest one with anything left decides.
    ///
    /// # Panics
    ///
    /// If it is for an operation that the service does not have; the message names those that it has.
    pub fn script(&self, provider: Provider, script: Script) {
        if let Some(operation) = &script.operation {
            routes::require(provider, operation);
        }
        self.picker.lock().rules(provider).scripts.push(script);
    }

    /// Lets faults strike by chance wherever no script decides. Replaces the service's chaos so far.
    ///
    /// # Panics
    ///
    /// If it is for an operation that the service does not have; the message names those that it has.
    pub fn chaos(&self, provider: Provider, chaos: Chaos) {
        chaos.operations.iter().for_each(|operation| routes::require(provider, operation));
        self.picker.lock().rules(provider).chaos = Some(chaos);
    }

    /// Forgets the scripts and the chaos of a service.
    pub fn clear(&self, provider: Provider) {
        let mut choices = self.picker.lock();
        let rules = choices.rules(provider);
        rules.scripts.clear();
        rules.chaos = None;
    }

    /// What the next requests will meet: of each script its operation, its next fault, and how often that strikes; and
    /// whether there is chaos.
    #[cfg(feature = "sandbox-window")]
    pub(crate) fn armed(&self, provider: Provider) -> (Vec<Armed>, bool) {
        let mut choices = self.picker.lock();
        let rules = choices.rules(provider);
        let armed = rules.scripts.iter().filter_map(|script| {
            let scene = script.steps.iter().find(|scene| scene.left > 0)?;
            let fault = scene.fault.clone();
            Some(Armed { operation: script.operation.clone(), fault, left: scene.left })
        });
        (armed.collect(), rules.chaos.is_some())
    }

    /// Takes a service down, so that its connections are lost and new ones are refused, or brings it up again on
    /// the same port.
    ///
    /// # Errors
    ///
    /// If the system does not give the port back, which another program may have taken.
    pub async fn refuse(&self, provider: Provider, refuse: bool) -> io::Result<()> {
        // Every service has one: a sandbox starts all three or none.
        let gate = &self.gates[&provider];
        gate.order(if refuse { Order::Shut(None) } else { Order::Open }).await
    }
}

/// What a script has for the next request that it means.
#[cfg(feature = "sandbox-window")]
#[derive(Debug)]
pub(crate) struct Armed {
    pub(crate) operation: Option<String>,
    /// `None`: requests are served as usual.
    pub(crate) fault: Option<Fault>,
    pub(crate) left: u64,
}

/// Chooses the fault of each request.
#[derive(Clone, Debug)]
pub(crate) struct FaultPicker(Arc<Mutex<Choices>>);

#[derive(Debug)]
struct Choices {
    seed: u64,
    providers: BTreeMap<Provider, Rules>,
}

#[derive(Debug)]
struct Rules {
    scripts: Vec<Script>,
    chaos: Option<Chaos>,
    rng: fastrand::Rng,
}

impl Choices {
    fn rules(&mut self, provider: Provider) -> &mut Rules {
        let seed = self.seed;
        self.providers.entry(provider).or_insert_with(|| Rules {
            scripts: Vec::new(),
            chaos: None,
            // One generator a service: the calls to one do not change the faults of another.
            rng: fastrand::Rng::with_seed(seed.wrapping_add(provider as u64)),
        })
    }
}

impl FaultPicker {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Choices { seed, providers: BTreeMap::new() })))
    }

    pub(crate) fn choose(&self, provider: Provider, operation: Option<&str>) -> Option<Fault> {
        let mut choices = self.lock();
        let rules = choices.rules(provider);
        for script in rules.scripts.iter_mut().filter(|script| script.matches(operation)) {
            if let Some(decision) = script.next() {
                return decision;
            }
        }
        rules.scripts.retain(|script| !script.steps.is_empty());
        rules.chaos.as_ref()?.draw(operation, &mut rules.rng)
    }

    fn lock(&self) -> MutexGuard<'_, Choices> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(seed: u64) -> Faults {
        Faults::new(FaultPicker::new(seed), BTreeMap::new())
    }

    fn names(faults: &Faults, operation: &str, requests: usize) -> Vec<&'static str> {
        (0..requests)
            .map(|_| {
                faults.picker.choose(Provider::Chatwork, Some(operation)).map_or("-", |fault| fault.name())
            })
            .collect()
    }

    #[test]
    fn a_script_is_played_in_order_and_by_operation() {
        let faults = faults(1);
        let script = Script::on("post_message").then(Fault::reset()).times(2).pass(1).then(Fault::stall());
        faults.script(Provider::Chatwork, script);
        assert_eq!(names(&faults, "get_me", 2), ["-", "-"]);
        assert_eq!(names(&faults, "post_message", 6), ["reset", "reset", "-", "stall", "-", "-"]);
    }

    #[test]
    fn the_oldest_script_that_has_not_ended_decides() {
        let faults = faults(1);
        faults.script(Provider::Chatwork, Script::any().then(Fault::close()));
        faults.script(Provider::Chatwork, Script::on("get_me").then(Fault::reset()).forever());
        assert_eq!(names(&faults, "get_me", 3), ["close", "reset", "reset"]);
        faults.clear(Provider::Chatwork);
        assert_eq!(names(&faults, "get_me", 1), ["-"]);
    }

    #[test]
    #[should_panic(expected = "Chatwork has no operation \"post_mesage\"; it has list_contacts, ")]
    fn a_script_for_an_unknown_operation_is_refused() {
        faults(1).script(Provider::Chatwork, Script::on("post_mesage").then(Fault::reset()));
    }

    #[test]
    #[should_panic(expected = "Lancers has no operation \"create_message\"")]
    fn chaos_for_an_operation_of_another_service_is_refused() {
        faults(1).chaos(Provider::Lancers, Chaos::new(1.0).fault(Fault::reset()).on("create_message"));
    }

    #[test]
    #[should_panic(expected = "a fault comes before how often it strikes")]
    fn repeating_requires_a_fault() {
        let _ = Script::any().pass(1).forever();
    }

    #[test]
    #[should_panic(expected = "a probability is from 0 to 1, not 30")]
    fn a_probability_is_not_a_percentage() {
        let _ = Chaos::new(30.0);
    }

    #[test]
    fn random_faults_follow_the_seed() {
        let run = |seed| {
            let faults = faults(seed);
            let chaos = Chaos::new(0.3).fault(Fault::reset()).fault(Fault::stall()).on("get_me");
            faults.chaos(Provider::Chatwork, chaos);
            assert_eq!(names(&faults, "list_rooms", 50), ["-"; 50]);
            names(&faults, "get_me", 1000)
        };
        let struck = run(7).iter().filter(|name| **name != "-").count();
        assert!((250..350).contains(&struck), "{struck}");
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }
}
