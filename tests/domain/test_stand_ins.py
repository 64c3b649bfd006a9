"""One model in place of another: in which order, and what of a request goes along."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import InvalidRequest, NoSuchSize, NotOffered, OutOfBounds
from bot.domain.generation import Asked, Aspect, Capability, ModelSpec, Quality, candidates, plan
from bot.domain.stand_in import GoesRound, in_order, restated
from bot.providers._chutes_models import MODELS as CHUTES
from bot.providers._pipelet_models import MODELS as PIPELET

T2V = Capability.TEXT_TO_VIDEO


def spec(model: str, capability: Capability = T2V) -> ModelSpec:
    (found,) = [each for each in (*CHUTES, *PIPELET) if (each.id, each.capability) == (model, capability)]
    return found


WAN, FAST, SKYREELS, V2 = (spec(name) for name in ("wan2.1-14b", "wan22-fast-t2v", "skyreels", "skyreels-v2-14b-540p"))


def moved(there: ModelSpec, to: ModelSpec, **asked: object):
    first = plan(there, Asked(T2V, "a red balloon", **asked), seed=7)
    return plan(to, restated(first, to), seed=7)


class TestOrder:
    def test_ones_own_come_first_come_first_and_each_is_followed_by_its_own(self):
        assert in_order({"a": ["b", "c"], "b": ["d"], "c": ["d", "e"]}, "a") == ["b", "d", "c", "e"]
        assert in_order({"a": ["b"]}, "x") == []

    @pytest.mark.parametrize(
        "fall_back", [{"a": ["a"]}, {"a": ["b"], "b": ["a"]}, {"a": ["b"], "b": ["c"], "c": ["b"]}]
    )
    def test_a_way_round_is_named(self, fall_back):
        with pytest.raises(GoesRound, match=r"[abc] to [abc]"):
            in_order(fall_back, "a")

    @given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3)))
    def test_it_ends_and_nobody_stands_in_for_itself(self, fall_back):
        for model in "abcdef":
            try:
                order = in_order(fall_back, model)
            except GoesRound:
                continue
            assert model not in order
            assert len(set(order)) == len(order)
            assert set(fall_back.get(model, ())) <= set(order)


class TestRestated:
    def test_shape_quality_length_words_and_seed_go_along(self):
        request = moved(WAN, FAST, aspect=Aspect.PORTRAIT, quality=Quality.HIGH, duration=4, spoiler=True)
        assert (request.model, request.prompt, request.size_label) == (FAST.id, "a red balloon", "portrait high")
        assert (request.duration, request.frames, request.seed, request.spoiler) == (4, None, None, True)
        back = moved(FAST, WAN, aspect=Aspect.PORTRAIT, duration=4)
        assert (back.duration, back.frames, back.seed, back.size_label) == (4, 96, 7, "portrait standard")

    def test_who_asked_for_nothing_gets_the_other_models_own(self):
        assert moved(WAN, FAST).size is None
        assert moved(WAN, FAST).duration is None

    def test_a_negative_prompt_goes_along_where_there_is_one(self):
        assert moved(WAN, SKYREELS, negative_prompt="rain").negative_prompt == "rain"
        with pytest.raises(NotOffered):
            moved(WAN, FAST, negative_prompt="rain")

    @pytest.mark.parametrize(
        ("there", "to", "asked", "error"),
        [
            (WAN, FAST, {"fps": 30}, NotOffered),
            (WAN, FAST, {"steps": 20}, NotOffered),
            (WAN, FAST, {"guidance": 3.0}, NotOffered),
            (WAN, V2, {"duration": 3.5}, OutOfBounds),
            (WAN, SKYREELS, {"duration": 4}, NotOffered),
            (WAN, SKYREELS, {"aspect": Aspect.SQUARE}, NoSuchSize),
            (WAN, V2, {"aspect": Aspect.PORTRAIT}, NotOffered),
            (FAST, WAN, {"duration": 1}, OutOfBounds),
        ],
        ids=str,
    )
    def test_what_was_asked_for_by_name_is_refused_rather_than_left_out(self, there, to, asked, error):
        with pytest.raises(error):
            moved(there, to, **asked)

    def test_the_shape_of_a_film_from_a_picture_is_the_pictures(self):
        skyreels = spec("skyreels", Capability.IMAGE_TO_VIDEO)
        fast = spec("wan22-fast-i2v", Capability.IMAGE_TO_VIDEO)
        asked = Asked(Capability.IMAGE_TO_VIDEO, "it moves", aspect=Aspect.PORTRAIT)
        request = plan(skyreels, asked, seed=7, images=("a.jpg",))
        assert plan(fast, restated(request, fast), seed=7, images=("b.jpg",)).size_label == "standard"

    @given(
        st.sampled_from([WAN, FAST, SKYREELS, V2]),
        st.sampled_from([WAN, FAST, SKYREELS, V2]),
        st.none() | st.sampled_from(Aspect),
        st.none() | st.sampled_from(Quality),
        st.none() | st.integers(1, 10),
        st.none() | st.integers(10, 30),
    )
    def test_it_is_another_models_whole_or_not_at_all(self, there, to, aspect, quality, duration, steps):
        asked = Asked(T2V, "a red balloon", aspect=aspect, quality=quality, duration=duration, steps=steps)
        try:
            candidates(there, asked)
            first = plan(there, asked, seed=7)
            request = plan(to, restated(first, to), seed=7)
        except InvalidRequest:
            return
        words = request.size_label.split()
        assert aspect is None or aspect in words
        assert quality is None or quality in words or not any(size.quality for size in to.sizes)
        assert (request.duration is None) == (duration is None)
        assert request.steps == steps
