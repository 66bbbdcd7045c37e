"""What an LSTM's numbers are and why there are that many, in words."""

from __future__ import annotations

from gatewise.explain.accounting import LayerAccount
from gatewise.explain.arithmetic import Number, Power, equation, plus, times, written
from gatewise.explain.document import Block, Formulas, Paragraph, Points, Section
from gatewise.explain.gated_words import GatedWords
from gatewise.explain.language import Words
from gatewise.explain.phrases import unbroken
from gatewise.explain.text_width import NO_BREAK

_VARIANTS = ("peephole", "projection_units", "coupled_gates", "layer_norm")
"""Arguments that change the count."""


class LstmWords(GatedWords):
    """The sections about one LSTM (or LSTM cell), its variants included."""

    def __init__(self, account: LayerAccount, words: Words, level: int) -> None:
        super().__init__(account, words, level)
        self.is_plain = not any(name in account.options for name in _VARIANTS)

    def why_so_many(self) -> str:
        _ = self.words._
        if self.G == 3:
            return _(
                "The 3 stands for two gates (input, output) and the candidate: with coupled gates the forget gate is "
                "1 - i and has no weights."
            )
        if self.biased:
            return _(
                "The 4 stands for three gates (input, forget, output) and the candidate: each has a weight "
                "matrix for the F + H numbers of [h, x] and its own bias."
            )
        return _(
            "The 4 stands for three gates (input, forget, output) and the candidate: each has a weight "
            "matrix for the F + H numbers of [h, x], and with use_bias=False no bias."
        )

    def equation_lines(self) -> list[tuple[str, str]]:
        _, options = self.words._, self.account.options
        joined = "N(W_{s} x) + N(U_{s} h)" if options.get("layer_norm") else "W_{s} [h, x]"
        sees = {"i": "C[t-1]", "f": "C[t-1]", "o": "C[t]"} if options.get("peephole") else {}
        lines = []
        for gate in self.account.gates:
            s = gate.symbol
            terms = [joined.format(s=s), *([f"b_{s}"] if self.biased else [])]
            terms += [f"p_{s} * {sees[s]}"] if s in sees else []
            name = "g" if s == "c" else s
            lines.append((f"{name} = {gate.activation}({' + '.join(terms)})", self.gate_name(gate)))
        forget = "f"
        if self.G == 3:
            lines.append(("f = 1 - i", _("forget gate: 0 parameters")))
        kept = f"{forget} * C[t-1] + i * g"
        clip = options.get("cell_clip")
        kept = kept if clip is None else f"clip({kept}, -{clip:g}, {clip:g})"
        candidate = next(gate.activation for gate in self.account.gates if gate.name == "candidate")
        out = f"{candidate}(N(C[t]))" if options.get("layer_norm") else f"{candidate}(C[t])"
        lines.append((f"C[t] = {kept}", _("cell state: 0 parameters")))
        if options.get("projection_units"):
            lines.append((f"h[t] = W_p (o * {out})", _("hidden state, the output, projected")))
        else:
            lines.append((f"h[t] = o * {out}", _("hidden state, the output: 0 parameters")))
        return lines

    def states(self) -> tuple[str, ...]:
        _ = self.words._
        return (
            _(
                "return_state adds the last h and the last C after the output: [output, h, C]. C is not in the "
                "output otherwise."
            ),
            _(
                "stateful=True changes no shape and no count. It fixes the batch size, and the states stay: "
                "sequence k of a batch begins with the h and C that sequence k of the batch before ended with, "
                "until reset_states(). With stateful=False every batch begins with zeros. In either case h and "
                "C are values that come and go, not parameters."
            ),
            _(
                "The output has as many steps as the input. For another number, repeat the last output "
                "(RepeatVector) or let a second LSTM begin with the states of the first (encoder and decoder). "
                "An input that exists at the first step only is filled up with zeros."
            ),
        )

    def units(self) -> Section:
        """What `units` is, and in what sense the two readings are right."""
        _, H = self.words._, self.H
        projected = self.account.options.get("projection_units")
        length = _(
            "units={H} is the length of the hidden state h and of the cell state C, and with them of the "
            "three gates, of the candidate and of the output at every step: the next layer sees {H} "
            "features. It has nothing to do with the number of features that come in, nor with the number "
            "of time steps."
        )
        if projected:
            length = _(
                "units={H} is the length of the cell state C, and with it of the gates and of the candidate. The "
                "hidden state h, the output at every step, is made of it by the projection and has {P} numbers."
            )
        chain = _(
            "It is not the number of cells in a chain. There is one cell. The chain in the usual picture is "
            "that one cell at one moment after another: at each step it reads x[t] and its own h[t-1] and "
            "C[t-1], with the same weights every time. {runs} So steps add no parameters, and nobody has to "
            "say how many cells there should be, neither for the input nor for the output."
        )
        return Section(
            _("What `units` is"),
            (
                Paragraph(length.format(H=H, P=projected)),
                Paragraph(chain.format(runs=self._runs())),
                Paragraph(_("Two readings are in use, and both have something right:")),
                Points(self._readings()),
            ),
            self.level,
        )

    def _readings(self) -> tuple[str, ...]:
        _, H, F = self.words._, self.H, self.F
        if H == 1:
            return (
                _(
                    "“One block of length 1” and “1 unit” are the same thing here: the gates, C and h are "
                    "plain numbers. With units=n they become vectors of length n."
                ),
            )
        block = _(
            "“One LSTM block of length {H}” is right about the computation: there is one block, one set of "
            "matrices, and f, i, o, C and h are vectors of length {H}."
        )
        neurons = _(
            "“{H} units”, or neurons, is right about the coordinates: unit k owns C_k and h_k and row k of "
            "each W and b, and the layer's output is the {H} numbers h_k. The {total} parameters are the "
            "units' weights; they are not units or neurons themselves."
        )
        copies = _(
            "Only “{H} independent copies of LSTM(1)” is wrong: the gates of every unit read all {H} "
            "numbers of h[t-1], not just its own. Independent copies would have {arithmetic} parameters; "
            "this layer has {total}."
        )
        one, total = self._each(Number(F), Number(1)), self.words.count(self.account.size)
        if not self.is_plain:
            return block.format(H=H), neurons.format(H=H, total=total)
        return (
            block.format(H=H),
            neurons.format(H=H, total=total),
            copies.format(H=H, arithmetic=unbroken(times(H, 4, one)), total=total),
        )

    def formulas(self) -> Section | None:
        """The forms of the formula, and the mistake of putting in 1 for the output size."""
        if not self.is_plain:
            return None
        _, H, F = self.words._, self.H, self.F
        f, h = Number(F, "F"), Number(H, "H")
        bias = (Number(1),) if self.biased else ()
        forms = (
            times(4, self._each(f, h)),
            times(4, h, plus(f, h, *bias)),
            times(4, plus(times(plus(f, 1), h) if self.biased else times(f, h), Power(h, 2))),
        )
        letters = [written(form, letters=True) for form in forms]
        width = max(map(len, letters))
        lines = tuple(f"{text:<{width}}  :  {equation(form)}" for text, form in zip(letters, forms, strict=True))
        blocks: list[Block] = [Paragraph(_("These are the same, written in different order:")), Formulas(lines)]
        if H > 1:
            blocks += self._mistake(bias)
        return Section(_("The formula, and a mistake that is easy to make"), tuple(blocks), self.level)

    def _mistake(self, bias: tuple[Number, ...]) -> list[Block]:
        _, H, F = self.words._, self.H, self.F
        one = Number(1)
        inside = times(plus(F, 1), 1) if self.biased else times(F, 1)
        per_unit = times(4, plus(inside, Power(one, 2)))
        right = times(4, plus(F, H, *bias))
        text = _(
            "The formula holds for the whole layer, with H = {H} in it. Putting in 1 as the output size and "
            "multiplying by the number of units afterwards gives {per_unit} a unit and {wrong} in all, "
            "which is too few: every unit sees all {H} outputs of the step before, not only its own. So one "
            "unit has {right}, and the layer {whole}."
        )
        factor = _("The two results differ by the factor {ratio}; that is not the number of gates, which is in both.")
        ratio = f"({written(plus(F, H, *bias))}) / ({written(plus(F, 1, *bias))})"
        ratio = f"{ratio} = {right.value // 4} / {per_unit.value // 4}".replace(" ", NO_BREAK)
        return [
            Paragraph(
                text.format(
                    H=H,
                    per_unit=unbroken(per_unit),
                    wrong=unbroken(times(per_unit.value, H)),
                    right=unbroken(right),
                    whole=unbroken(times(right.value, H)),
                )
            ),
            Paragraph(factor.format(ratio=ratio)),
        ]

    def in_pytorch(self) -> Section | None:
        """Why torch.nn.LSTM of the same sizes has more."""
        if not self.is_plain:
            return None
        _, H, F, count = self.words._, self.H, self.F, self.words.count
        own = sum(gate.size for gate in self.account.gates)
        if not self.biased:
            text = _(
                "torch.nn.LSTM({F}, {H}, bias=False) has the same {own}. With biases it would have 4H = "
                "{more} more than Keras, because it keeps two bias vectors, b_ih and b_hh, where Keras "
                "keeps one."
            )
            text = text.format(F=F, H=H, own=count(own), more=4 * H)
        else:
            text = _(
                "torch.nn.LSTM({F}, {H}) shows {arithmetic}. It keeps two bias vectors of length 4H = "
                "{more}, b_ih and b_hh, where Keras keeps one. Only their sum has an effect, so both can "
                "compute the same: Keras's bias is b_ih + b_hh."
            )
            text = text.format(F=F, H=H, arithmetic=unbroken(plus(own, 4 * H)), more=4 * H)
        return Section(_("Why PyTorch shows 4H more"), (Paragraph(text),), self.level)
