"""Listens at an owner's judgements: every vote, refusal, decision and outcome is told to the checkers."""


def watch(owner, tell):
    """From now on `tell` hears of what `owner` judges."""
    judge, vote, outcome = owner._refusal, owner._vote, owner.outcome
    decide, supersede = owner.coordination.decide, owner.promises.supersede

    def watched_refusal(asked, floor):
        refusal = judge(asked, floor)
        tell("on_judgement", owner, asked, refusal)
        return refusal

    def watched_vote(message, now):
        was_promised = owner.promises.get(message.candidate) is not None
        given = vote(message, now)
        if given.refusal is None and not was_promised:
            tell("on_promise", owner.journal, owner.epoch, message, given.upto, given.ts)
        return given

    def watched_outcome(message):
        tell("on_outcome", owner.journal, owner.epoch, message.candidate)
        return outcome(message)

    def watched_decide(candidate, commit_ts, start_ts):
        tell("on_decision", owner.journal, owner.epoch, candidate, commit_ts)
        return decide(candidate, commit_ts, start_ts)

    def watched_supersede(candidate):
        tell("on_attempt", owner.journal, owner.epoch, candidate)
        return supersede(candidate)

    owner._refusal, owner._vote, owner.outcome = watched_refusal, watched_vote, watched_outcome
    owner.coordination.decide, owner.promises.supersede = watched_decide, watched_supersede
    return owner
