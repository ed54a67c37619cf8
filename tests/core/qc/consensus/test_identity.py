from dataclasses import replace

import numpy as np

from qc.core.consensus.identity import (
    DrawnBoxes,
    IdentifiedBox,
    MatchedPerson,
    boxes_of_drawn,
    continued_ids,
    identify_persons,
    numbered,
)

ANN, BOB, EVE = 0, 1, 2
LEFT = (100.0, 100, 150, 250)
RIGHT = (400.0, 100, 450, 250)


def moved(box, by):
    return tuple(np.array(box) + by)


def drawn(*rows):
    """Rows of (second, annotator, track, person id or 0, box)."""
    return DrawnBoxes(
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.int64),
        np.array([row[3] for row in rows], dtype=np.int64),
        np.array([row[4] for row in rows], dtype=np.float64).reshape(-1, 4),
    )


def gathered(*rows):
    return identify_persons(drawn(*rows))


def continued(*rows, before):
    """The earlier number of each drawn person that goes on."""
    table = drawn(*rows)
    return continued_ids(boxes_of_drawn(identify_persons(table), table), before)


PERSONS, VEHICLES = 0, 1


def with_classes(classes, *rows):
    return replace(drawn(*rows), classes=np.array(classes))


def test_boxes_of_two_classes_are_never_one():
    rows = [(2, ANN, 0, 0, LEFT), (2, BOB, 4, 0, moved(LEFT, 3))]
    assert [len(one.rows) for one in gathered(*rows)] == [2]
    apart = with_classes([PERSONS, VEHICLES], *rows)
    assert [len(one.rows) for one in identify_persons(apart)] == [1, 1]
    same = with_classes([VEHICLES, VEHICLES], *rows)
    assert [len(one.rows) for one in identify_persons(same)] == [2]


def test_a_drawn_vehicle_is_not_the_person_who_was_tracked_there():
    rows = [
        (second, who, 0, number, LEFT if second < 4 else moved(LEFT, 20 * (who == BOB)))
        for second in (2, 3, 4) for who, number in ((ANN, 7), (BOB, 0))
    ]  # fmt: skip
    assert {one.person_id for one in gathered(*rows)} == {7}
    found = identify_persons(with_classes([PERSONS, VEHICLES] * 3, *rows))
    assert [(one.second, one.person_id, one.rows) for one in found] == [
        (2, -1, (1,)), (2, 7, (0,)), (3, -1, (3,)), (3, 7, (2,)), (4, -1, (5,)), (4, 7, (4,)),
    ]  # fmt: skip


def test_a_drawn_one_keeps_its_number_only_as_what_it_was():
    table = drawn((2, ANN, 0, 0, LEFT))
    boxes = boxes_of_drawn(identify_persons(table), table)
    before = [IdentifiedBox(2, 9, np.array(LEFT), "vehicle")]
    assert continued_ids(boxes, before) == {}
    assert continued_ids(boxes, before, {-1: "vehicle"}) == {-1: 9}


def test_nobody_is_nobody():
    assert gathered() == []


def test_matched_boxes_are_one_person_called_as_the_pre_annotation_called_it():
    rows = [
        (2, ANN, 0, 7, LEFT),
        (2, BOB, 4, 7, moved(LEFT, 3)),
        (2, EVE, 9, 0, moved(LEFT, 5)),
    ]
    assert gathered(*rows) == [MatchedPerson(2, 7, (0, 1, 2))]


def test_people_who_overlap_are_told_apart_by_their_ids():
    near = moved(LEFT, (4, 0, 4, 0))
    rows = [
        (2, ANN, 0, 7, LEFT), (2, ANN, 1, 8, near),
        (2, BOB, 0, 7, near), (2, BOB, 1, 8, LEFT),
    ]  # fmt: skip
    assert gathered(*rows) == [MatchedPerson(2, 7, (0, 2)), MatchedPerson(2, 8, (1, 3))]


def test_a_person_drawn_by_two_is_one_over_the_keyframes():
    rows = [
        (at, who, 5 + who, 0, moved(LEFT, at + who)) for at in (2, 3, 4) for who in (ANN, BOB)
    ]
    assert gathered(*rows) == [
        MatchedPerson(2, -1, (0, 1)),
        MatchedPerson(3, -1, (2, 3)),
        MatchedPerson(4, -1, (4, 5)),
    ]


def test_one_who_drew_two_tracks_where_another_drew_one_drew_one_person():
    rows = [
        (2, ANN, 0, 0, LEFT), (3, ANN, 1, 0, LEFT),
        (2, BOB, 7, 0, LEFT), (3, BOB, 7, 0, LEFT),
    ]  # fmt: skip
    assert {person.person_id for person in gathered(*rows)} == {-1}


def test_drawn_persons_are_numbered_as_they_appear_whoever_drew_them():
    rows = [(3, ANN, 0, 0, LEFT), (2, BOB, 0, 0, RIGHT), (3, BOB, 1, 0, moved(LEFT, 150))]
    found = {(person.second, person.person_id): person.rows for person in gathered(*rows)}
    assert found == {(2, -1): (1,), (3, -2): (0,), (3, -3): (2,)}
    other_names = [(at, 1 - who, track, pid, box) for at, who, track, pid, box in rows]
    again = {
        (person.second, person.person_id): person.rows for person in gathered(*other_names)
    }
    assert again == found


def test_who_deleted_a_person_and_drew_it_anew_drew_the_same_person():
    kept = [(at, ANN, 0, 7, LEFT) for at in (2, 3, 4)]
    anew = [(at, BOB, 9, 0, moved(LEFT, 2)) for at in (2, 3, 4, 5)]
    assert [(p.second, p.person_id) for p in gathered(*kept, *anew)] == [
        (2, 7), (3, 7), (4, 7), (5, 7),
    ]  # fmt: skip


def test_one_id_in_two_boxes_that_overlap_a_little_is_one_person():
    rows = [(2, ANN, 0, 7, LEFT), (2, BOB, 0, 7, moved(LEFT, (20, 0, 20, 0)))]  # IoU 0.43
    assert gathered(*rows) == [MatchedPerson(2, 7, (0, 1))]


def test_one_id_in_two_places_is_two_persons():
    rows = [(2, ANN, 0, 7, LEFT), (2, BOB, 0, 7, LEFT), (2, EVE, 0, 7, RIGHT)]
    assert gathered(*rows) == [MatchedPerson(2, -1, (2,)), MatchedPerson(2, 7, (0, 1))]


def test_an_annotator_has_one_box_of_a_person():
    rows = [(2, ANN, 0, 7, LEFT), (2, ANN, 1, 7, moved(LEFT, 1)), (2, BOB, 0, 7, LEFT)]
    assert gathered(*rows) == [MatchedPerson(2, -1, (1,)), MatchedPerson(2, 7, (0, 2))]


def test_a_drawn_person_keeps_the_id_it_had():
    before = [IdentifiedBox(3, 12, np.array(moved(RIGHT, 2)))]
    rows = [(2, ANN, 0, 0, LEFT), (3, ANN, 1, 0, RIGHT)]
    assert continued(*rows, before=before) == {-2: 12}


def test_an_id_that_meant_somebody_else_is_not_given_again():
    before = [IdentifiedBox(2, 12, np.array(RIGHT))]
    assert continued((2, ANN, 0, 0, LEFT), before=before) == {}


def test_only_one_goes_on_under_an_id():
    before = [IdentifiedBox(at, 12, np.array(LEFT)) for at in (2, 3, 4)]
    rows = [(2, ANN, 0, 0, LEFT), (3, ANN, 1, 0, LEFT), (4, ANN, 1, 0, LEFT)]
    assert continued(*rows, before=before) == {-2: 12}


def test_numbers_are_given_to_drawn_persons_only():
    persons = gathered((2, ANN, 0, 7, LEFT), (2, ANN, 1, 0, RIGHT))
    assert numbered(persons, {-1: 9}) == [MatchedPerson(2, 7, (0,)), MatchedPerson(2, 9, (1,))]


def test_no_row_is_lost_and_none_is_doubled():
    random = np.random.default_rng(1)
    rows = []
    for number in range(200):
        x, y = random.uniform(0, 60, 2)
        rows.append(
            (int(random.integers(0, 6)), int(random.integers(0, 3)), number % 17,
             int(random.integers(0, 4)), (x, y, x + 30, y + 60))
        )  # fmt: skip
    people = gathered(*rows)
    table = drawn(*rows)
    assert sorted(row for person in people for row in person.rows) == list(range(200))
    assert len({(person.second, person.person_id) for person in people}) == len(people)
    for person in people:
        assert {rows[row][0] for row in person.rows} == {person.second}
        assert len(table.who(list(person.rows))) == len(person.rows)
    assert people == gathered(*rows)
