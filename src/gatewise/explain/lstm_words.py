"""What an LSTM's numbers are and why there are that many, in words."""

from __future__ import annotations

from gatewise.explain.accounting import GateAccount, LayerAccount, MatrixAccount, OutputForm
from gatewise.explain.arithmetic import Expression, Number, Power, equation, plus, times, written
from gatewise.explain.document import Block, Formulas, Paragraph, Points, Section, Table
from gatewise.explain.language import Words
from gatewise.explain.phrases import option_texts, shape_text, symbolic_shape, unbroken
from gatewise.explain.text_width import NO_BREAK


class LstmWords:
    """The sections about one LSTM (or LSTM cell).

    Args:
        account: with gates.
        words: the language.
        level: of the sections' headings.
    """

    def __init__(self, account: LayerAccount, words: Words, level: int) -> None:
        self.account, self.words, self.level = account, words, level
        self.H: int = account.sizes["units"] or 0
        self.F: int = account.sizes["features"] or 0
        self.steps = account.sizes.get("steps")
        self.biased = any(matrix.name == "bias" for matrix in account.matrices)
        self.is_cell = not account.forms

    def in_full(self) -> list[Section]:
        """Every section: for the first such layer."""
        found = [
            self.units(), self.equations(), self.by_gate(), self.by_matrix(), self.formulas(), self.output_shapes(),
            self.what_does_not_count(), self.in_pytorch(), self.options(),
        ]  # fmt: skip
        return [section for section in found if section is not None]

    def in_short(self) -> list[Section]:
        """The sections that hold this layer's own numbers: for layers after the first."""
        found = [self.by_gate(), self.by_matrix(), self.options()]
        return [section for section in found if section is not None]

    def headline(self) -> list[Block]:
        """The count in one line, and what its letters mean."""
        _, account = self.words._, self.account
        assert account.arithmetic is not None
        letters = _("F = {F} is the number of features at each step, H = {H} is `units`.").format(F=self.F, H=self.H)
        four = _(
            "The 4 stands for three gates (input, forget, output) and the candidate: each has a weight "
            "matrix for the F + H numbers of [h, x] and its own bias."
        )
        if not self.biased:
            four = _(
                "The 4 stands for three gates (input, forget, output) and the candidate: each has a weight "
                "matrix for the F + H numbers of [h, x], and with use_bias=False no bias."
            )
        formulas = Formulas((written(account.arithmetic, letters=True), equation(account.arithmetic)))
        return [formulas, Paragraph(self.words.joined(letters, four))]

    def units(self) -> Section:
        """What `units` is, and in what sense the two readings are right."""
        _, H = self.words._, self.H
        length = _(
            "units={H} is the length of the hidden state h and of the cell state C, and with them of the "
            "three gates, of the candidate and of the output at every step: the next layer sees {H} "
            "features. It has nothing to do with the number of features that come in, nor with the number "
            "of time steps."
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
                Paragraph(length.format(H=H)),
                Paragraph(chain.format(runs=self._runs())),
                Paragraph(_("Two readings are in use, and both have something right:")),
                Points(self._readings()),
            ),
            self.level,
        )

    def _runs(self) -> str:
        ngettext = self.words.ngettext
        if self.steps is None:
            return self.words._("It runs as many times as the data has steps.")
        text = ngettext("Here it runs once.", "Here it runs {n} times, once for each step.", self.steps)
        return text.format(n=self.steps)

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
        return (
            block.format(H=H),
            neurons.format(H=H, total=total),
            copies.format(H=H, arithmetic=unbroken(times(H, 4, one)), total=total),
        )

    def _each(self, F: Number, H: Number) -> Expression:
        """The count of one gate: (F + H) x H + H."""
        return plus(times(plus(F, H), H), H) if self.biased else times(plus(F, H), H)

    def gate_name(self, gate: GateAccount) -> str:
        _ = self.words._
        names = {
            "input": _("input gate"),
            "forget": _("forget gate"),
            "candidate": _("candidate"),
            "output": _("output gate"),
        }
        return names[gate.name]

    def equations(self) -> Section:
        """What one step computes, in the textbook's form."""
        _ = self.words._
        left = {"c": "g"}
        lines = []
        for gate in self.account.gates:
            s = gate.symbol
            bias = f" + b_{s}" if self.biased else ""
            lines.append((f"{left.get(s, s)} = {gate.activation}(W_{s} [h, x]{bias})", self.gate_name(gate)))
        candidate = next(gate.activation for gate in self.account.gates if gate.name == "candidate")
        lines.append(("C[t] = f * C[t-1] + i * g", _("cell state: 0 parameters")))
        lines.append((f"h[t] = o * {candidate}(C[t])", _("hidden state, the output: 0 parameters")))
        width = max(len(formula) for formula, _name in lines)
        text = _(
            "[h, x] is h[t-1] and x[t] joined to one vector of length {H} + {F} = {both}; * multiplies "
            "number by number. The parameters are all in the first four lines."
        ).format(H=self.H, F=self.F, both=self.H + self.F)
        if {gate.activation for gate in self.account.gates} == {"sigmoid", "tanh"}:
            ranges = _("sigmoid puts out numbers between 0 and 1, tanh numbers between -1 and 1.")
            text = self.words.joined(text, ranges)
        return Section(
            _("What one step computes"),
            (
                Formulas(tuple(f"{formula:<{width}}    {name}" for formula, name in lines)),
                Paragraph(text),
            ),
            self.level,
        )

    def by_gate(self) -> Section:
        """The textbook's matrices and the count of each gate."""
        _, count = self.words._, self.words.count
        gates = self.account.gates
        total = times(len(gates), gates[0].arithmetic)
        size = sum(gate.size for gate in gates)
        rows = [
            (
                f"{gate.symbol}  {self.gate_name(gate)}",
                f"W_{gate.symbol}: {gate.textbook_matrix[0]} x {gate.textbook_matrix[1]}",
                f"b_{gate.symbol}: {gate.textbook_bias[0]}" if gate.textbook_bias else "-",
                written(gate.arithmetic),
                count(gate.size),
            )
            for gate in gates
        ]
        header = (_("gate"), _("matrix"), _("bias"), _("arithmetic"), _("parameters"))
        table = Table(header, (*rows, (_("all four"), "", "", written(total), count(size))), right=(4,), total=True)
        text = _(
            "W is H x (H + F), as in {product}. Books that write [h, x] W_f instead have it the other way round, "
            "(H + F) x H; the numbers are the same."
        ).format(product="W_f [h, x] + b_f" if self.biased else "W_f [h, x]")
        return Section(_("Gate by gate, as in the textbooks"), (table, Paragraph(text)), self.level)

    def by_matrix(self) -> Section:
        """Keras's matrices, their columns, and how they make the textbook's."""
        _, count = self.words._, self.words.count
        own = [matrix for matrix in self.account.matrices if matrix.parts]
        header = (_("weight"), _("shape"), _("in letters"), _("arithmetic"), _("parameters"))
        rows = [self._matrix_row(matrix) for matrix in own]
        total = written(plus(*(matrix.size for matrix in own)))
        table = Table(
            header, (*rows, (_("together"), "", "", total, count(sum(m.size for m in own)))), right=(4,), total=True
        )
        firsts = [(self.gate_name(gate), gate.parts[0]) for gate in self.account.gates]
        columns = tuple((name, f"[..., {part.start}:{part.stop}]") for name, part in firsts)
        names = ", ".join(matrix.name for matrix in own)
        order = _(
            "The four gates stand side by side, {H} columns each, in the order {order}; get_weights() returns {names}:"
        ).format(H=self.H, order=", ".join(gate.symbol for gate in self.account.gates), names=names)
        blocks: list[Block] = [table, Paragraph(order), Table((_("gate"), _("columns")), columns)]
        blocks.append(Paragraph(_("The textbook's form, made from these (`layer` is this layer):")))
        f = next(gate for gate in self.account.gates if gate.name == "forget").parts[0]
        cut = f"[:, {f.start}:{f.stop}]"
        shape = f"{self.H} x {self.H + self.F}"
        code = [f"W_f = np.hstack([layer.recurrent_kernel{cut}.T, layer.kernel{cut}.T])    # {shape}"]
        if self.biased:
            code.append(f"b_f = layer.bias[{f.start}:{f.stop}]")
        blocks.append(Formulas(tuple(code)))
        others = [matrix for matrix in self.account.matrices if not matrix.parts]
        if others:
            more = _("Besides these the layer holds: {names}.")
            blocks.append(Paragraph(more.format(names=", ".join(f"{m.name} {shape_text(m.shape)}" for m in others))))
        return Section(_("Matrix by matrix, as Keras keeps them"), tuple(blocks), self.level)

    def _matrix_row(self, matrix: MatrixAccount) -> tuple[str, ...]:
        arithmetic = written(matrix.arithmetic) if matrix.arithmetic is not None else ""
        letters = f"({', '.join(matrix.letters)}{',' if len(matrix.letters) == 1 else ''})"
        return matrix.name, shape_text(matrix.shape), letters, arithmetic, self.words.count(matrix.size)

    def formulas(self) -> Section:
        """The forms of the formula, and the mistake of putting in 1 for the output size."""
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

    def output_shapes(self) -> Section | None:
        """The table of return_sequences and return_state, and what stateful changes."""
        if self.is_cell:
            return None
        _, H = self.words._, self.H
        rows = tuple(self._form_row(form) for form in self.account.forms)
        table = Table(("return_sequences", "return_state", _("output"), ""), rows)
        sequences = _(
            "return_sequences chooses between h of the last step and h of every step. At each step h has "
            "{H} numbers either way; it is steps that are returned or left out, never units."
        )
        state = _(
            "return_state adds the last h and the last C after the output: [output, h, C]. C is not in the "
            "output otherwise."
        )
        stateful = _(
            "stateful=True changes no shape and no count. It fixes the batch size, and the states stay: "
            "sequence k of a batch begins with the h and C that sequence k of the batch before ended with, "
            "until reset_states(). With stateful=False every batch begins with zeros. In either case h and "
            "C are values that come and go, not parameters."
        )
        other = _(
            "The output has as many steps as the input. For another number, repeat the last output "
            "(RepeatVector) or let a second LSTM begin with the states of the first (encoder and decoder). "
            "An input that exists at the first step only is filled up with zeros."
        )
        points = Points((sequences.format(H=H), state, stateful, other))
        letters = [Paragraph(text) for text in self._letters_of_shapes()]
        return Section(_("Output shapes"), (table, *letters, points), self.level)

    def _letters_of_shapes(self) -> list[str]:
        """What N and T mean, if they occur."""
        _ = self.words._
        named = {"batch": _("N is the batch size; it may be anything."), "steps": _("T is the number of time steps.")}
        sentences = [text for name, text in named.items() if self.account.sizes[name] is None]
        return [self.words.joined(*sentences)] if sentences else []

    def _form_row(self, form: OutputForm) -> tuple[str, ...]:
        time_major = bool(self.account.options.get("time_major"))
        shapes = [symbolic_shape(shape, time_major) for shape in form.shapes]
        output = shapes[0] if len(shapes) == 1 else f"[{', '.join(shapes)}]"
        chosen = self.words._("← this layer") if form.chosen else ""
        return str(form.return_sequences), str(form.return_state), output, chosen

    def what_does_not_count(self) -> Section:
        """Steps, batch, and options that leave the count alone."""
        _, F = self.words._, self.F
        steps = _(
            "The number of time steps: the same weights serve every step. It need not be given; "
            "input_shape=(None, {F}) takes sequences of any length. Nor are lagged inputs x[t-1], x[t-2], "
            "... needed as features, one for each unit or otherwise: a sample is a window of shape (steps, "
            "features), and the state carries what came before."
        )
        batch = _("The batch size: all sequences of a batch use the same weights.")
        options = _(
            "stateful, return_sequences, return_state, go_backwards, unroll, masks, dropout and the "
            "activations: they change what is computed or returned, not what is stored."
        )
        return Section(_("What does not change the count"), (Points((steps.format(F=F), batch, options)),), self.level)

    def in_pytorch(self) -> Section:
        """Why torch.nn.LSTM of the same sizes has more."""
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

    def options(self) -> Section | None:
        """What the arguments that differ from their defaults do."""
        texts = option_texts(self.account, self.words)
        return Section(self.words._("Options of this layer"), (Points(texts),), self.level) if texts else None
