//! Bugs that are planted on purpose, so that the simulation can show that it finds them.
//!
//! A test that has never failed proves little. Each [`PlantedBug`] is one line at the place where such a mistake
//! would be made; `tests/simulation` plants one at a time and must find it. Without the feature `planted-bugs`,
//! which only this crate's own tests turn on, [`is`] is the constant `false` and nothing of it is compiled. With
//! it, bugs are planted per thread, so that tests that run beside each other do not meet.

/// A mistake that can be planted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PlantedBug {
    /// The output gate opens one commit too early.
    GateOpensEarly,
    /// What a dropped turn wanted to send is sent.
    DroppedOutputSent,
    /// A dropped turn's attachments are kept.
    DroppedAttachmentKept,
    /// A sleep completes twice.
    CompletionTwice,
    /// A completion is delivered although its operation was cancelled.
    CancelledCompletionDelivered,
    /// A room that goes on in another process is not told that its streams are gone.
    StreamsOutliveTheirHost,
    /// A room that sleeps is forgotten while it has streams, which then end for nothing.
    ForgottenWhileItStreams,
    /// An answer whose end a failed commit held back does not break off.
    HeldFinishForgotten,
    /// A stream that has just been opened for a life goes on when that has ended.
    NewStreamOutlivesItsLife,
    /// A stream goes on when the life that knew it has ended.
    StreamOutlivesItsLife,
    /// A body of which a piece was dropped goes on behind it.
    DroppedChunkLeavesAHole,
    /// What the other side has taken is given back twice when the turn that was to hear of it was dropped.
    CreditGivenTwice,
    /// What is written to a stream is not counted against its credit.
    CreditNotSpent,
    /// The end of a stream whose turn was dropped is not told once more.
    DroppedEndNotRetried,
    /// What a switch's old version has written comes after the end of its streams.
    BrokenOffBeforeTheLastWords,
    /// A sleep completes a millisecond early.
    SleepEarly,
    /// Two commits that leave together carry each other's changes.
    CommitsSwapped,
    /// Uncommitted changes are forgotten one commit too early.
    OverlayForgottenEarly,
    /// A deleted key reappears from the store in a list.
    DeletedKeyListed,
    /// An alarm is no longer remembered while it rings.
    AlarmForgottenWhileRinging,
    /// A failed alarm is not tried again when its turn was dropped.
    DroppedAlarmNotRetried,
    /// Credit for a message is not repaid when it is delivered.
    CreditNotRepaid,
    /// Everything is delivered while the room is held.
    HoldIgnored,
    /// A room whose memory is lost forgets to answer its open requests.
    OpenRequestForgotten,
    /// The early answer to a handshake is given again when `on-connect` has ended.
    HandshakeAnsweredTwice,
    /// Ids given out since the last reservation are given out again by the next life.
    IdsNotReserved,
    /// Answers that a failed commit held back are not replaced.
    HeldAnswerForgotten,
    /// A room falls asleep although a turn has run since its memory was captured.
    SleepOverTurn,
    /// A checkpoint is used although storage has moved since.
    StaleMemoryUsed,
    /// A room that wakes in another process is not told which clients are gone.
    GhostsKept,
    /// A durable room forgets to record its turns.
    TurnNotRecorded,
    /// A durable room's writes go to the tables before its checkpoint does.
    TablesRunAhead,
    /// What time has ended is not recorded.
    TimeNotRecorded,
    /// Events that need no guest are not recorded.
    UnheardNotRecorded,
    /// Dropped turns are not recorded.
    DropNotRecorded,
    /// Whether a dropped close is tried again is decided anew when it is taken once more.
    RetryNotRecorded,
    /// What the guest can learn of its configuration is not recorded after a restart.
    SettingsNotRecorded,
    /// What a restart does to the sessions is recorded and not done.
    RestartNotDone,
    /// A room that was made again gives out ids that were given out.
    IdsNotRestored,
    /// A room that was made again has forgotten how much it stores.
    StorageSizeForgotten,
    /// What the tables do not have is forgotten one commit before they have it.
    TablesCaughtUpEarly,
    /// A record says nothing of a sleep that is over and waits for its turn.
    DueForgottenInMailbox,
    /// Deadlines of handshakes are those of the settings of today.
    AcceptDeadlineOfToday,
    /// A room that was made again is told of closes that it was told of.
    CloseToldTwice,
    /// A life that has ended is not forgotten by the store.
    DeadLifeKept,
    /// A room with a long journal waits for a rest that never comes.
    JournalFullForGood,
    /// The auto-response that a dropped turn wanted is in force.
    DroppedAutoResponseHolds,
    /// A room whose memory is lost keeps its auto-response.
    AutoResponseOutlivesItsLife,
    /// A room that goes on in another process has no auto-response.
    AutoResponseForgotten,
    /// A sleep that the old version begins while it saves the room goes on under the new one.
    OldSleepsGoOn,
    /// What both versions wrote when a room was switched, and the memory of the new one, are two commits.
    SwitchInTwoHalves,
    /// What the new version records belongs to the old one's journal.
    OldVersionsJournal,
    /// What a switch sends leaves before its commit is durable.
    SwitchSeenEarly,
    /// A client that was let in and whose `on-connect` a switch has cut off is closed behind the new version's back.
    CutClientForgotten,
    /// What was done for a room is not done again when it goes on in another process, and the room waits for it.
    WorkNotBegunAgain,
    /// A call of a durable room is heard as often as it is asked.
    CallMadeTwice,
    /// A call that is asked once more is heard, although it may have been heard when nobody wrote that down.
    CallOfBeforeMadeAgain,
    /// The answer to a call of a durable room is not kept.
    AnswerNotKept,
    /// Nobody is told that the answer to a call has come for good.
    AnswerNeverForgotten,
    /// A fetch that is not to be sent again is sent again by a room that goes on in another process.
    FetchSentTwice,
    /// What is kept of a fetch does not have its key.
    KeyNotKept,
    /// What was done for a room is done for its copy.
    WorkBegunForACopy,
    /// The store is told that a room has nothing to do before the deadline of what is done for it.
    WorkDueAtItsDeadline,
    /// An answer is delivered once more when it is given once more.
    AnswerTwice,
    /// An answer that comes while a turn is out is lost.
    AnswerInATurnLost,
    /// What was answered while a turn was out has its deadline all the same.
    AnswerInATurnOverdue,
    /// An answer that was on its way when the process ended is taken for given.
    AnswerTakenForGiven,
    /// A deadline ends the room's waiting, and whoever works for it goes on.
    TimeoutForgetsNothing,
    /// A cancelled operation goes on outside.
    CancelForgetsNothing,
    /// What was done for a life goes on when that has ended.
    LifeForgetsNothing,
    /// What is interrupted goes on outside.
    InterruptForgetsNothing,
    /// A room that sleeps is forgotten while somebody works for it, who then answers nobody.
    ForgottenWhileWorkedFor,
    /// Whom both versions have answered in the turn of a switch is told besides that what the old one had begun was cut off.
    SwitchAnswersTwice,
    /// A life that ends because there is another version is not forgotten by the store.
    StartOverNotBuried,
    /// The end of a life is told before the store has heard of it.
    EndToldBeforeItIsBuried,
    /// What is kept of a room that was destroyed is not.
    DestroyedRoomStays,
    /// A room that is durable no more stops recording before a checkpoint takes the place of its journal.
    JournalGivenUpEarly,
}

#[cfg(feature = "planted-bugs")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<PlantedBug>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug on this thread instead of any other, or with `None` pulls it out.
#[cfg(feature = "planted-bugs")]
pub fn plant(bug: Option<PlantedBug>) {
    PLANTED.set(bug);
}

/// Whether this bug is planted on this thread.
#[cfg(feature = "planted-bugs")]
pub(crate) fn is(bug: PlantedBug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Whether this bug is planted: never, without the feature.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn is(_bug: PlantedBug) -> bool {
    false
}
