"""What a GRU's and a SimpleRNN's numbers are and why there are that many, in words."""

from __future__ import annotations

from gatewise.explain.arithmetic import Expression, Number, equation, plus, times, written
from gatewise.explain.document import Formulas, Paragraph, Section
from gatewise.explain.gated_words import GatedWords
from gatewise.explain.phrases import unbroken


class _OneStateWords(GatedWords):
    """Layers whose only state is h, their output."""

    def units(self) -> Section:
        _ = self.words._
        length = _(
            "units={H} is the length of the hidden state h, which is the output at every step: the next layer sees {H} "
            "features. It has nothing to do with the number of features that come in, nor with the number of time "
            "steps."
        )
        chain = _(
            "It is not the number of cells in a chain: there is one cell, which at each step reads x[t] and its own "
            "h[t-1], with the same weights every time. {runs} So steps add no parameters."
        )
        text = Paragraph(length.format(H=self.H)), Paragraph(chain.format(runs=self._runs()))
        return Section(_("What `units` is"), text, self.level)

    def states(self) -> tuple[str, ...]:
        _ = self.words._
        return (
            _("return_state adds the last h after the output: [output, h]."),
            _(
                "stateful=True changes no shape and no count: sequence k of a batch begins with the h that sequence k "
                "of the batch before ended with, until reset_states(). h comes and goes; it is no parameter."
            ),
        )

    def _same(self, *forms: Expression) -> Section:
        """The formula in several forms."""
        _ = self.words._
        letters = [written(form, letters=True) for form in forms]
        width = max(map(len, letters))
        lines = tuple(f"{text:<{width}}  :  {equation(form)}" for text, form in zip(letters, forms, strict=True))
        told = Paragraph(_("These are the same, written in different order:"))
        return Section(_("The formula"), (told, Formulas(lines)), self.level)


class GruWords(_OneStateWords):
    """The sections about one GRU (or GRU cell)."""

    def why_so_many(self) -> str:
        _ = self.words._
        three = _(
            "The 3 stands for two gates (update, reset) and the candidate: each has a weight matrix for the F + H "
            "numbers of [h, x]."
        )
        if self.n_biases == 2:
            bias = _(
                "Each has two biases, one of the input and one of the recurrence (reset_after=True): the reset gate "
                "multiplies the recurrent part with its bias, so in the candidate they do not add up to one."
            )
        elif self.biased:
            bias = _(
                "Each has one bias (reset_after=False). With reset_after=True, the default, each would have two, "
                "{more} numbers more."
            ).format(more=3 * self.H)
        else:
            bias = _("With use_bias=False there is no bias.")
        return self.words.joined(three, bias)

    def equation_lines(self) -> list[tuple[str, str]]:
        _ = self.words._
        lines = []
        for gate in self.account.gates[:2]:
            s = gate.symbol
            bias = f" + b_{s}" if self.biased else ""
            lines.append((f"{s} = {gate.activation}(W_{s} [h, x]{bias})", self.gate_name(gate)))
        candidate = self.account.gates[2]
        if self.account.options.get("reset_after", True):
            first, second = (" + b_x", " + b_h") if self.biased else ("", "")
            inside = f"W_x x{first} + r * (W_h h{second})"
        else:
            inside = f"W_h [r * h, x]{' + b_h' if self.biased else ''}"
        lines.append((f"g = {candidate.activation}({inside})", self.gate_name(candidate)))
        lines.append(("h[t] = z * h[t-1] + (1 - z) * g", _("hidden state, the output: 0 parameters")))
        return lines

    def formulas(self) -> Section:
        f, h = Number(self.F, "F"), Number(self.H, "H")
        ones = [Number(self.n_biases)] if self.n_biases else []
        return self._same(times(3, self._each(f, h)), times(3, h, plus(f, h, *ones)))

    def in_pytorch(self) -> Section:
        """What torch.nn.GRU of the same sizes has."""
        _, H, count = self.words._, self.H, self.words.count
        own = sum(gate.size for gate in self.account.gates)
        if self.n_biases == 2:
            text = _(
                "torch.nn.GRU({F}, {H}) has the same {own}: it too keeps two bias vectors and resets after the "
                "product. Its gates stand in the order r, z, n, and its matrices are transposed."
            )
        elif self.biased:
            text = _(
                "torch.nn.GRU({F}, {H}) shows {arithmetic}: it keeps two bias vectors, and resets after the product, "
                "so it computes something else than this layer (reset_after=False)."
            )
        else:
            text = _("torch.nn.GRU({F}, {H}, bias=False) has the same {own}.")
        told = text.format(F=self.F, H=H, own=count(own), arithmetic=unbroken(plus(own, 3 * H)))
        return Section(_("PyTorch's count"), (Paragraph(told),), self.level)


class SimpleRnnWords(_OneStateWords):
    """The sections about one SimpleRNN (or its cell)."""

    def why_so_many(self) -> str:
        _ = self.words._
        text = _("There are no gates: one weight matrix for the F + H numbers of [h, x].")
        return self.words.joined(text, _("Each of the H outputs has a bias.") if self.biased else "")

    def equation_lines(self) -> list[tuple[str, str]]:
        (gate,) = self.account.gates
        bias = " + b_h" if self.biased else ""
        return [(f"h[t] = {gate.activation}(W_h [h, x]{bias})", self.words._("hidden state, the output"))]

    def formulas(self) -> Section:
        f, h = Number(self.F, "F"), Number(self.H, "H")
        return self._same(self._each(f, h), times(h, plus(f, h, *([Number(1)] if self.biased else []))))

    def in_pytorch(self) -> Section:
        """Why torch.nn.RNN of the same sizes has more."""
        _, count = self.words._, self.words.count
        own = self.account.gates[0].size
        text = _("torch.nn.RNN({F}, {H}, bias=False) has the same {own}.")
        if self.biased:
            text = _(
                "torch.nn.RNN({F}, {H}) shows {arithmetic}: it keeps two bias vectors where Keras keeps their sum."
            )
        told = text.format(F=self.F, H=self.H, own=count(own), arithmetic=unbroken(plus(own, self.H)))
        return Section(_("PyTorch's count"), (Paragraph(told),), self.level)
