"""The job protocol as a model that is explored to its last state: one job, its process, and all that may go wrong.

`world` holds what can be known of one job at a moment; `bot`, `moves` and `posting` what Matinee does with it;
`outside` what providers, Discord, members and machines do; `invariants` what must never be seen; `controls` the rules
R1 to R15 and where the code holds each. `python -m tests.proof.model` prints what was found; with a control's name it
prints the shortest way to the harm that follows when that control is taken away.

Rows move by `bot.domain.job.MOVES`: a step of the model that the code forbids raises IllegalTransition.

Taken for atomic: a commit together with the reply that led to it (a crash before it is like one before the reply), and
R8's check together with the first byte. Taken for granted: a search sees every message that has landed; a backup that
comes back is noticed; what a killed process had sent has landed or is lost by the time two more have lived. The model
searches for a film from POSTING on; the code does so from RESULT on, once more than it needs.

Left out, or counted apart: a request that is in no backup; money that a backup does not know of; a moderator's decision
on a held job; a film that a member deletes while its reply is lost, and that Discord has forgotten by the next send
("known limit").
"""
