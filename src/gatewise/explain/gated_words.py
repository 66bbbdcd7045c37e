"""What the numbers of a layer with gates are, in words: what LSTM, GRU and SimpleRNN have in common."""

from __future__ import annotations

from gatewise.explain.accounting import GateAccount, LayerAccount, MatrixAccount, OutputForm
from gatewise.explain.arithmetic import Expression, Number, equation, plus, times, written
from gatewise.explain.document import Block, Formulas, Paragraph, Points, Section, Table
from gatewise.explain.language import Words
from gatewise.explain.phrases import option_texts, shape_text, symbolic_shape


class GatedWords:
    """The sections about one recurrent layer (or cell) whose gates stand side by side.

    Args:
        account: with gates.
        words: the language.
        level: of the sections' headings.
    """

    def __init__(self, account: LayerAccount, words: Words, level: int) -> None:
        self.account, self.words, self.level = account, words, level
        self.H: int = account.sizes["units"] or 0
        self.F: int = account.sizes["features"] or 0
        self.G = len(account.gates)
        self.steps = account.sizes.get("steps")
        self.n_biases = len(account.gates[0].textbook_bias)  # 2: one of the input, one of the recurrence
        self.biased = self.n_biases > 0
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

    # --- a family says these ---------------------------------------------------------------------------------

    def why_so_many(self) -> str:
        """What the first factor of the formula counts."""
        return ""

    def units(self) -> Section | None:
        """What `units` is."""
        return None

    def equation_lines(self) -> list[tuple[str, str]]:
        """The lines of one step, each with a name."""
        return []

    def states(self) -> tuple[str, ...]:
        """What return_state and stateful do, and what else is to be said of outputs."""
        return ()

    def formulas(self) -> Section | None:
        """Other forms of the formula."""
        return None

    def in_pytorch(self) -> Section | None:
        """Why PyTorch counts otherwise, or not."""
        return None

    # --- what all have ---------------------------------------------------------------------------------------

    def headline(self) -> list[Block]:
        """The count in one line, and what its letters mean."""
        _, account = self.words._, self.account
        assert account.arithmetic is not None
        letters = _("F = {F} is the number of features at each step, H = {H} is `units`.").format(F=self.F, H=self.H)
        projected = account.options.get("projection_units")
        if projected:
            length = _("P = {P} is `projection_units`, the length of h.").format(P=projected)
            letters = self.words.joined(letters, length)
        formulas = Formulas((written(account.arithmetic, letters=True), equation(account.arithmetic)))
        return [formulas, Paragraph(self.words.joined(letters, self.why_so_many()))]

    def _runs(self) -> str:
        ngettext = self.words.ngettext
        if self.steps is None:
            return self.words._("It runs as many times as the data has steps.")
        text = ngettext("Here it runs once.", "Here it runs {n} times, once for each step.", self.steps)
        return text.format(n=self.steps)

    def _each(self, F: Number, H: Number) -> Expression:
        """The count of one gate: (F + H) x H + H."""
        products = times(plus(F, H), H)
        return plus(products, *([H] if self.n_biases == 1 else [times(2, H)] if self.n_biases else []))

    def gate_name(self, gate: GateAccount) -> str:
        _ = self.words._
        names = {
            "input": _("input gate"),
            "forget": _("forget gate"),
            "candidate": _("candidate"),
            "output": _("output gate"),
            "update": _("update gate"),
            "reset": _("reset gate"),
            "state": _("state"),
        }
        return names[gate.name]

    def equations(self) -> Section:
        """What one step computes, in the textbook's form."""
        _, lines = self.words._, self.equation_lines()
        width = max(len(formula) for formula, _name in lines)
        text = _(
            "[h, x] is h[t-1] and x[t] joined to one vector of length {H} + {F} = {both}; * multiplies "
            "number by number."
        )
        length = self.account.gates[0].textbook_matrix[1] - self.F  # of h
        sentences = [text.format(H=length, F=self.F, both=length + self.F)]
        if self.account.arithmetic == times(self.G, self.account.gates[0].arithmetic) or self.G == 1:
            sentences.append(_("The parameters are all in the lines that have a W."))
        if {gate.activation for gate in self.account.gates} == {"sigmoid", "tanh"}:
            sentences.append(_("sigmoid puts out numbers between 0 and 1, tanh numbers between -1 and 1."))
        return Section(
            _("What one step computes"),
            (
                Formulas(tuple(f"{formula:<{width}}    {name}".rstrip() for formula, name in lines)),
                Paragraph(self.words.joined(*sentences)),
            ),
            self.level,
        )

    def by_gate(self) -> Section | None:
        """The textbook's matrices and the count of each gate."""
        _, count = self.words._, self.words.count
        gates = self.account.gates
        if len(gates) == 1:
            return None
        same = all(gate.arithmetic == gates[0].arithmetic for gate in gates)
        sizes = [gate.size for gate in gates]
        total = times(len(gates), gates[0].arithmetic) if same else plus(*sizes)
        rows = [
            (
                f"{gate.symbol}  {self.gate_name(gate)}",
                f"W_{gate.symbol}: {gate.textbook_matrix[0]} x {gate.textbook_matrix[1]}",
                f"b_{gate.symbol}: {' x '.join(map(str, gate.textbook_bias))}" if gate.textbook_bias else "-",
                written(gate.arithmetic),
                count(gate.size),
            )
            for gate in gates
        ]
        header = (_("gate"), _("matrix"), _("bias"), _("arithmetic"), _("parameters"))
        all_of_them = _("all four") if len(gates) == 4 else _("all three")
        table = Table(header, (*rows, (all_of_them, "", "", written(total), count(sum(sizes)))), right=(4,), total=True)
        first = gates[1].symbol if len(gates) == 4 else gates[0].symbol
        text = _(
            "W is H x (H + F), as in {product}. Books that write [h, x] {W} instead have it the other way round, "
            "(H + F) x H; the numbers are the same."
        ).format(product=f"W_{first} [h, x] + b_{first}" if self.biased else f"W_{first} [h, x]", W=f"W_{first}")
        return Section(_("Gate by gate, as in the textbooks"), (table, Paragraph(text)), self.level)

    def by_matrix(self) -> Section:
        """Keras's matrices, their columns, and how they make the textbook's."""
        _, count = self.words._, self.words.count
        own = self.account.matrices
        header = (_("weight"), _("shape"), _("in letters"), _("arithmetic"), _("parameters"))
        rows = [self._matrix_row(matrix) for matrix in own]
        total = written(plus(*(matrix.size for matrix in own)))
        blocks: list[Block] = [
            Table(
                header, (*rows, (_("together"), "", "", total, count(sum(m.size for m in own)))), right=(4,), total=True
            )
        ]
        names = ", ".join(matrix.name for matrix in own)
        if self.G > 1:
            order = _(
                "The gates stand side by side, {H} columns each, in the order {order}; get_weights() returns {names}:"
            )
            order = order.format(H=self.H, order=", ".join(gate.symbol for gate in self.account.gates), names=names)
            firsts = [(self.gate_name(gate), gate.parts[0]) for gate in self.account.gates]
            columns = tuple((name, f"[..., {part.start}:{part.stop}]") for name, part in firsts)
            blocks += [Paragraph(order), Table((_("gate"), _("columns")), columns)]
        else:
            blocks.append(Paragraph(_("get_weights() returns {names}.").format(names=names)))
        blocks.append(Paragraph(_("The textbook's form, made from these (`layer` is this layer):")))
        blocks.append(Formulas(self._code()))
        return Section(_("Matrix by matrix, as Keras keeps them"), tuple(blocks), self.level)

    def _code(self) -> tuple[str, ...]:
        """Python that makes one gate's textbook matrix and bias."""
        gate = self.account.gates[1 if self.G == 4 else 0]
        part, s = gate.parts[0], gate.symbol
        columns = f"{part.start}:{part.stop}"
        shape = f"{gate.textbook_matrix[0]} x {gate.textbook_matrix[1]}"
        code = f"W_{s} = np.hstack([layer.recurrent_kernel[:, {columns}].T, layer.kernel[:, {columns}].T])    # {shape}"
        if self.n_biases == 1:
            return code, f"b_{s} = layer.bias[{columns}]"
        if self.n_biases == 2:
            return code, f"b_{s} = layer.bias[0, {columns}] + layer.bias[1, {columns}]"
        return (code,)

    def _matrix_row(self, matrix: MatrixAccount) -> tuple[str, ...]:
        arithmetic = written(matrix.arithmetic) if matrix.arithmetic is not None else ""
        letters = f"({', '.join(matrix.letters)}{',' if len(matrix.letters) == 1 else ''})" if matrix.letters else ""
        return matrix.name, shape_text(matrix.shape), letters, arithmetic, self.words.count(matrix.size)

    def output_shapes(self) -> Section | None:
        """The table of return_sequences and return_state, and what stateful changes."""
        if self.is_cell:
            return None
        _ = self.words._
        rows = tuple(self._form_row(form) for form in self.account.forms)
        table = Table(("return_sequences", "return_state", _("output"), ""), rows)
        sequences = _(
            "return_sequences chooses between h of the last step and h of every step. At each step h has "
            "{H} numbers either way; it is steps that are returned or left out, never units."
        )
        points = Points((sequences.format(H=self.account.forms[0].shapes[0][-1]), *self.states()))
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

    def options(self) -> Section | None:
        """What the arguments that differ from their defaults do."""
        texts = option_texts(self.account, self.words)
        return Section(self.words._("Options of this layer"), (Points(texts),), self.level) if texts else None
